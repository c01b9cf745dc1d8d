//! From `shapes.txt` to shapes.

use super::pattern::Pattern;
use super::shapes::{Ends, Kind, Member, Place, Schema, Shape};

/// Reads the table.
///
/// # Errors
/// The first line that is not of its form, or a shape that nobody tells.
pub(super) fn parse(text: &'static str) -> Result<Schema, String> {
    let mut schema = Schema::default();
    let mut current: Option<&'static str> = None;
    for (number, line) in (1..).zip(text.lines()) {
        read(&mut schema, &mut current, line).map_err(|error| format!("line {number}: {error}"))?;
    }
    check_references(&schema)?;
    Ok(schema)
}

fn read(
    schema: &mut Schema,
    current: &mut Option<&'static str>,
    line: &'static str,
) -> Result<(), String> {
    if line.starts_with('#') {
        return Ok(());
    }
    if let Some(member) = line.strip_prefix("  ") {
        let within = current.and_then(|name| schema.shapes.get_mut(name));
        let Some(Shape { kind: Kind::Structure(members), .. }) = within else {
            return Err("a member without its structure".to_owned());
        };
        members.push(read_member(member)?);
        return Ok(());
    }
    let (name, rest) = line.split_once(' ').ok_or("a name alone")?;
    if name == "operation" {
        let [name, input, output] = rest.split(' ').collect::<Vec<_>>()[..] else {
            return Err("an operation has a name, an input and an output".to_owned());
        };
        let end = |name: &'static str| (name != "-").then_some(name);
        schema.operations.insert(name, Ends { input: end(input), output: end(output) });
        return Ok(());
    }
    schema.shapes.insert(name, read_shape(rest)?);
    *current = Some(name);
    Ok(())
}

fn read_shape(text: &'static str) -> Result<Shape, String> {
    // A pattern may have spaces: it is the rest of its line.
    let (text, pattern) = match text.split_once(" pattern=") {
        Some((text, pattern)) => (text, Some(Pattern::compile(pattern)?)),
        None => (text, None),
    };
    let mut words = text.split(' ');
    let kind = words.next().unwrap_or_default();
    let mut another = || words.next().ok_or(format!("{kind} of what?"));
    let kind = match kind {
        "string" => Kind::Text,
        "integer" => Kind::Integer,
        "float" => Kind::Float,
        "boolean" => Kind::Flag,
        "timestamp" => Kind::Timestamp,
        "list" => Kind::List(another()?),
        "map" => Kind::Map(another()?, another()?),
        "structure" => Kind::Structure(Vec::new()),
        other => return Err(format!("{other} is no type")),
    };
    let mut shape =
        Shape { kind, is_sensitive: false, min: None, max: None, one_of: Vec::new(), pattern };
    for word in words {
        let bound = |text: &str| text.parse::<i64>().map_err(|error| format!("{word}: {error}"));
        match word.split_once('=') {
            None if word == "sensitive" => shape.is_sensitive = true,
            Some(("min", least)) => shape.min = Some(bound(least)?),
            Some(("max", most)) => shape.max = Some(bound(most)?),
            Some(("enum", texts)) => shape.one_of = texts.split('|').collect(),
            _ => return Err(format!("{word} is unknown")),
        }
    }
    Ok(shape)
}

fn read_member(text: &'static str) -> Result<Member, String> {
    let mut words = text.split(' ');
    let name = words.next().unwrap_or_default();
    let shape = words.next().ok_or("a member without its shape")?;
    let (name, is_required) = match name.strip_suffix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let place = match words.next().map(|word| word.split_once('=')) {
        None => Place::Body,
        Some(Some(("path", name))) => Place::Path(name),
        Some(Some(("query", name))) => Place::Query(name),
        Some(_) => return Err("the place is path or query".to_owned()),
    };
    Ok(Member { name, shape, is_required, place })
}

fn check_references(schema: &Schema) -> Result<(), String> {
    let known = |name: &str| match schema.shapes.contains_key(name) {
        true => Ok(()),
        false => Err(format!("there is no shape {name}")),
    };
    for ends in schema.operations.values() {
        ends.input.into_iter().chain(ends.output).try_for_each(known)?;
    }
    for shape in schema.shapes.values() {
        match &shape.kind {
            Kind::List(of) => known(of)?,
            Kind::Map(key, value) => known(key).and_then(|()| known(value))?,
            Kind::Structure(members) => {
                members.iter().try_for_each(|member| known(member.shape))?;
            }
            Kind::Text | Kind::Integer | Kind::Float | Kind::Flag | Kind::Timestamp => {}
        }
    }
    Ok(())
}
