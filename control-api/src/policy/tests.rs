use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const CONNECTOR: &str = "arn:aws:chime:us-east-1:111122223333:vc/abcdef1ghij2klmno3pqr4";

fn policy(statements: Value) -> Policy {
    let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    Policy::parse(&text).unwrap()
}

fn question<'a>(action: &'a str, resource: &'a str) -> Question<'a> {
    Question { action, resource, resource_tags: &[], request_tags: &[] }
}

#[test]
fn an_explicit_deny_wins_and_silence_denies() {
    let reader = policy(json!([
        { "Effect": "Allow", "Action": ["chime:Get*", "chime:list*"], "Resource": "*" },
        { "Sid": "1", "Effect": "Deny", "Action": "chime:GetVoiceConnectorTermination",
          "Resource": "arn:aws:chime:*:*:vc/abcdef*" },
    ]));
    let allows = |action, resource| reader.allows(&question(action, resource));
    assert!(allows("chime:GetVoiceConnector", CONNECTOR));
    assert!(allows("chime:ListVoiceConnectors", "*"));
    assert!(!allows("chime:GetVoiceConnectorTermination", CONNECTOR));
    assert!(allows("chime:GetVoiceConnectorTermination", "arn:aws:chime:a:b:vc/x"));
    assert!(!allows("chime:DeleteVoiceConnector", CONNECTOR));
}

#[test]
fn a_list_is_allowed_for_every_resource_only() {
    let one = policy(json!({ "Effect": "Allow", "Action": "chime:*", "Resource": CONNECTOR }));
    assert!(one.allows(&question("chime:GetVoiceConnector", CONNECTOR)));
    assert!(!one.allows(&question("chime:ListVoiceConnectors", "*")));
}

#[test]
fn tags_decide_where_a_condition_asks() {
    let tagged = policy(json!([{
        "Effect": "Allow", "Action": "chime:*", "Resource": "*",
        "Condition": {
            "StringEquals": { "aws:ResourceTag/team": ["voice", "sales*"] },
            "StringLike": { "aws:ResourceTag/site": "lon-?" },
        },
    }]));
    let allows = |tags: &[(&str, &str)]| {
        let tags: Vec<_> = tags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let asked = question("chime:GetVoiceConnector", CONNECTOR);
        tagged.allows(&Question { resource_tags: &tags, ..asked })
    };
    assert!(allows(&[("team", "voice"), ("site", "lon-1")]));
    assert!(!allows(&[("team", "sales1"), ("site", "lon-1")]), "StringEquals has no wildcards");
    assert!(allows(&[("team", "sales*"), ("site", "lon-1")]));
    assert!(!allows(&[("team", "voice"), ("site", "lon-12")]));
    assert!(!allows(&[("team", "voice")]));
    assert!(!allows(&[]));
}

#[test]
fn what_is_not_of_the_subset_is_refused() {
    let fine = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    let with = |key: &str, value: Value| {
        let mut statement = fine.clone();
        statement[key] = value;
        json!({ "Version": "2012-10-17", "Statement": [statement] })
    };
    for (policy, told) in [
        (json!([]), "a policy must be an object"),
        (json!({ "Statement": [fine] }), "Version must be"),
        (json!({ "Version": "2008-10-17", "Statement": [fine] }), "Version must be"),
        (json!({ "Version": "2012-10-17" }), "Statement is missing"),
        (json!({ "Version": "2012-10-17", "Statement": [] }), "1 to 64"),
        (json!({ "Version": "2012-10-17", "Statement": [fine], "x": 1 }), "\"x\""),
        (with("NotAction", json!("*")), "statement 1: a statement has \"NotAction\""),
        (with("Principal", json!("*")), "\"Principal\""),
        (with("Effect", json!("allow")), "Effect must be"),
        (with("Action", json!([])), "Action must be"),
        (with("Action", json!([1])), "Action must be"),
        (with("Action", json!("chime:GetVoiceConector")), "fits no operation"),
        (with("Action", json!("s3:GetObject")), "fits no operation"),
        (with("Resource", json!("vc/x")), "is no ARN"),
        (with("Resource", json!("arn:${aws:username}")), "policy variables"),
        (with("Condition", json!({ "IpAddress": {} })), "\"IpAddress\" is not known"),
        (with("Condition", json!({ "StringEquals": { "aws:SourceIp": "x" } })), "aws:SourceIp"),
        (with("Condition", json!({ "StringEquals": { "aws:ResourceTag/": "x" } })), "no tag"),
    ] {
        let fault = Policy::parse(&policy.to_string()).unwrap_err().to_string();
        assert!(fault.contains(told), "{policy}: {fault}");
    }
    assert!(Policy::parse(&" ".repeat(7_000)).unwrap_err().to_string().contains("6144"));
}

/// A statement of the small world below: which actions and resources it is about.
fn statements() -> impl Strategy<Value = Vec<(bool, u8, u8)>> {
    proptest::collection::vec((any::<bool>(), 0u8..4, 0u8..4), 1..6)
}

fn action() -> impl Strategy<Value = String> {
    "chime:(GetVoiceConnector|GetSipRule|TagResource)"
}

fn tag() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[ab]{0,2}")
}

/// A statement with everything that the subset has.
fn statement() -> impl Strategy<Value = Value> {
    let action = "(\\*|chime:\\*|chime:Get\\*|chime:GetSipRule|chime:\\?ag\\*)";
    let condition = ("String(Equals|Like)", "aws:Re(source|quest)Tag/k", "[ab?*]{0,3}");
    (any::<bool>(), action, "(\\*|arn:[ab?*]{0,3})", proptest::option::of(condition)).prop_map(
        |(allows, action, resource, condition)| {
            let effect = if allows { "Allow" } else { "Deny" };
            let mut written = json!({ "Effect": effect, "Action": action, "Resource": resource });
            if let Some((operator, key, value)) = condition {
                written["Condition"] = json!({ operator: { key: value } });
            }
            written
        },
    )
}

proptest! {
    /// Against the rule as it is written: denied by any that applies, else allowed by any.
    #[test]
    fn the_rule_holds(statements in statements(), action in 0u8..3, resource in 0u8..3) {
        let actions = ["chime:GetVoiceConnector", "chime:GetSipRule", "chime:TagResource", "*"];
        let resources = ["arn:a", "arn:b", "arn:c", "*"];
        let written = policy(statements.iter().map(|(allows, action, resource)| json!({
            "Effect": if *allows { "Allow" } else { "Deny" },
            "Action": actions[usize::from(*action)],
            "Resource": resources[usize::from(*resource)],
        })).collect());
        let applies = |(_, a, r): &&(bool, u8, u8)| {
            (*a == action || *a == 3) && (*r == resource || *r == 3)
        };
        let effects: Vec<bool> = statements.iter().filter(applies).map(|each| each.0).collect();
        let expected = effects.contains(&true) && !effects.contains(&false);
        let (action, resource) = (actions[usize::from(action)], resources[usize::from(resource)]);
        prop_assert_eq!(written.allows(&question(action, resource)), expected);
    }

    /// Wildcards against expressions that say the same, conditions against tags; the rule over all.
    #[test]
    fn wildcards_and_tags_decide_as_expressions_do(
        statements in proptest::collection::vec(
            (any::<bool>(), "chime:(GetVoiceConnector|\\*|\\?et\\*|get\\*|\\*Tags\\*|PUT\\*ion)", "arn:[ab:?*]{0,6}",
             proptest::option::of("[ab?*]{0,3}")),
            1..5,
        ),
        action in "chime:(GetVoiceConnector|PutVoiceConnectorOrigination|ListTagsForResource)",
        resource in "arn:[ab:]{0,5}",
        tag in proptest::option::of("[ab]{0,3}"),
    ) {
        let written = statements.iter().map(|(allows, action, resource, tag)| {
            let mut statement = json!({
                "Effect": if *allows { "Allow" } else { "Deny" },
                "Action": action, "Resource": resource,
            });
            if let Some(tag) = tag {
                statement["Condition"] = json!({ "StringLike": { "aws:ResourceTag/k": tag } });
            }
            statement
        });
        let text = json!({ "Version": "2012-10-17", "Statement": written.collect::<Vec<_>>() });
        let policy = Policy::parse(&text.to_string()).unwrap();
        let like = |pattern: &str, any_case: bool, text: &str| {
            let expression = pattern.replace('*', ".*").replace('?', ".");
            let case = if any_case { "(?i)" } else { "" };
            regex_lite::Regex::new(&format!("{case}^{expression}$")).unwrap().is_match(text)
        };
        let applying: Vec<bool> = statements
            .iter()
            .filter(|(_, a, r, t)| {
                like(a, true, &action)
                    && like(r, false, &resource)
                    && t.as_ref().is_none_or(|t| tag.as_ref().is_some_and(|is| like(t, false, is)))
            })
            .map(|(allows, ..)| *allows)
            .collect();
        let expected = applying.contains(&true) && !applying.contains(&false);
        let tags: Vec<_> = tag.iter().map(|tag| ("k".to_owned(), tag.clone())).collect();
        let asked = Question {
            action: &action,
            resource: &resource,
            resource_tags: &tags,
            request_tags: &[],
        };
        prop_assert_eq!(policy.allows(&asked), expected);
    }

    /// Whatever a policy says, a Deny more never allows, an Allow more never denies, and the order
    /// of statements says nothing.
    #[test]
    fn a_statement_more_pulls_one_way(
        written in proptest::collection::vec(statement(), 1..5),
        more in statement(),
        turn in 0usize..5,
        question in (action(), "arn:[ab]{0,3}", tag(), tag()),
    ) {
        let (action, resource, stored, brought) = question;
        let tags = |tag: Option<String>| -> Vec<(String, String)> {
            tag.into_iter().map(|value| ("k".to_owned(), value)).collect()
        };
        let (stored, brought) = (tags(stored), tags(brought));
        let asked = Question {
            action: &action,
            resource: &resource,
            resource_tags: &stored,
            request_tags: &brought,
        };
        let allows = |statements: &[Value]| policy(json!(statements)).allows(&asked);
        let before = allows(&written);
        let mut with = written.clone();
        with.insert(turn % (written.len() + 1), more.clone());
        let after = allows(&with);
        match more["Effect"] == "Deny" {
            true => prop_assert!(!after || before, "a Deny allowed"),
            // Only a Deny that stands there already keeps saying no.
            false => prop_assert!(after || !before, "an Allow denied"),
        }
        let mut turned = with.clone();
        turned.rotate_left(turn % with.len());
        prop_assert_eq!(allows(&turned), after);
        turned.reverse();
        prop_assert_eq!(allows(&turned), after);
        // One that is written twice says the same.
        turned.push(more);
        prop_assert_eq!(allows(&turned), after);
        // A Deny that fits settles it.
        turned.push(json!({ "Effect": "Deny", "Action": action, "Resource": resource }));
        prop_assert!(!allows(&turned));
    }

    #[test]
    fn nothing_panics(text in ".{0,300}") {
        let _ = Policy::parse(&text);
    }
}
