//! From method, path and query to an operation.

use crate::encoding::percent_decoded;
use crate::encoding::{decoded_pairs, value_of};
use crate::error::{ApiError, ErrorKind};
use crate::operations::{Operation, every};
use crate::request::Request;

/// More segments than any operation has.
const SEGMENTS_MAX: usize = 8;

/// An operation and what its request says in path and query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routed {
    /// Which.
    pub operation: &'static Operation,
    /// The members of the path, decoded; names as the model has them.
    pub members: Vec<(&'static str, String)>,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
}

impl Routed {
    /// A member of the path; names differ in their first letter's case alone.
    pub fn member(&self, name: &str) -> Option<&str> {
        let found = self.members.iter().find(|(each, _)| each.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        value_of(&self.query, name)
    }
}

/// Finds the operation of a request.
///
/// # Errors
/// [`ErrorKind::UnknownOperation`], or [`ErrorKind::BadRequest`] for a path or query that is no UTF-8.
pub fn route(request: &Request<'_>) -> Result<Routed, ApiError> {
    let not_text = || ApiError::new(ErrorKind::BadRequest, "path and query must be UTF-8");
    let query = decoded_pairs(request.query).ok_or_else(not_text)?;
    let given: Vec<&str> = request.path.split('/').skip(1).take(SEGMENTS_MAX + 1).collect();
    let mut on_path = every().filter(|operation| {
        operation.method.as_str() == request.method && fits(operation.path(), &given)
    });
    let asked = |name: &str| value_of(&query, name);
    let chosen = on_path.find(|operation| match operation.selector() {
        Some((name, value)) => asked(name) == Some(value),
        None => asked("operation").is_none(),
    });
    let Some(operation) = chosen else {
        return Err(ApiError::new(
            ErrorKind::UnknownOperation,
            "there is no operation with this method, path and query",
        ));
    };
    let mut members = Vec::new();
    for (shape, value) in operation.path().split('/').skip(1).zip(&given) {
        if let Some(name) = member_name(shape) {
            let value = String::from_utf8(percent_decoded(value)).map_err(|_| not_text())?;
            members.push((name, value));
        }
    }
    Ok(Routed { operation, members, query })
}

fn fits(path: &'static str, given: &[&str]) -> bool {
    let mut shapes = path.split('/').skip(1);
    let all = given.iter().all(|segment| match shapes.next() {
        // What is signed has no dot segments: one that is taken for a member could be put in by others.
        Some(shape) if member_name(shape).is_some() => !matches!(*segment, "" | "." | ".."),
        Some(shape) => shape == *segment,
        None => false,
    });
    all && shapes.next().is_none()
}

fn member_name(shape: &'static str) -> Option<&'static str> {
    shape.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn routed(method: &str, path: &str, query: &str) -> Result<Routed, ApiError> {
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        route(&Request { method, path, query, headers: &[], body: &[], source })
    }

    #[test]
    fn every_operation_is_found_by_its_own_target() {
        for operation in every() {
            let path = operation.path().replace('{', "a").replace('}', "%2Fz");
            let query = operation.target.split_once('?').map_or("", |(_, query)| query);
            let found = routed(operation.method.as_str(), &path, query).unwrap();
            assert_eq!(found.operation.name, operation.name);
            assert!(found.members.iter().all(|(name, value)| *value == format!("a{name}/z")));
        }
    }

    #[test]
    fn the_query_tells_operations_on_one_path_apart() {
        let name = |path, query| routed("POST", path, query).map(|found| found.operation.name);
        assert_eq!(name("/phone-numbers/x", ""), Ok("UpdatePhoneNumber"));
        assert_eq!(name("/phone-numbers/x", "operation=restore"), Ok("RestorePhoneNumber"));
        assert_eq!(name("/phone-numbers/x", "operation=%72estore"), Ok("RestorePhoneNumber"));
        for (path, query) in [
            ("/phone-numbers/x", "operation=other"),
            ("/phone-numbers/", ""),
            ("/phone-numbers", ""),
            ("/phone-numbers/x/", ""),
            ("/phone-numbers/.", ""),
            ("/phone-numbers/..", ""),
            ("/", ""),
            ("", ""),
            ("*", ""),
        ] {
            let refused = name(path, query).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::UnknownOperation, "{path}?{query}");
        }
        assert_eq!(name("/phone-numbers/%ff", "").unwrap_err().kind, ErrorKind::BadRequest);
    }

    #[test]
    fn ids_are_decoded() {
        let found = routed("GET", "/phone-numbers/%2B12065550100", "").unwrap();
        assert_eq!(found.member("PhoneNumberId"), Some("+12065550100"));
    }

    proptest! {
        #[test]
        fn nothing_panics(method in "[A-Z]{0,7}", path in ".{0,60}", query in ".{0,60}") {
            let _ = routed(&method, &path, &query);
        }
    }
}
