use super::*;

/// The file's first voice connector may call the US, and its one number masks.
fn masking() -> (Api, Node) {
    let mut node = node(Ok(None), 2);
    for connector in &mut node.file.voice_connectors {
        connector.termination = Some(directory::Termination::default());
    }
    node.directory = Arc::new(Snapshot::build(node.file.clone()).unwrap());
    (api(10), node)
}

const MASKED: &str = "/voice-connectors/abcdef1ghij2klmno30000";

#[test]
fn a_proxy_session_is_made_read_routed_and_ended() {
    let (mut api, mut node) = masking();
    let mut ask = |node: &mut Node, method: &str, end: &str, query: &str, body: Value| {
        served(&mut api, node, (method, &format!("{MASKED}{end}"), query), &body)
    };
    let proxy = "/programmable-numbers/proxy";
    let make = json!({ "ParticipantPhoneNumbers": ["+14155550111", "+12125550333"],
        "Capabilities": ["Voice"], "Name": "ride 7" });
    let early = ask(&mut node, "POST", "/proxy-sessions", "", make.clone()).unwrap_err();
    assert_eq!(early.kind, ErrorKind::NotFound, "{early:?}");
    let none = ask(&mut node, "GET", proxy, "", Value::Null).unwrap_err();
    assert_eq!(none.kind, ErrorKind::NotFound);
    let put = json!({ "DefaultSessionExpiryMinutes": 30, "PhoneNumberPoolCountries": ["US"] });
    let told = ask(&mut node, "PUT", proxy, "", put).unwrap();
    assert_eq!(told["Proxy"]["PhoneNumberCountries"], json!(["US"]));
    assert_eq!(ask(&mut node, "GET", proxy, "", Value::Null).unwrap(), told);

    let made = ask(&mut node, "POST", "/proxy-sessions", "", make.clone()).unwrap();
    let session = &made["ProxySession"];
    let both = ["ProxyPhoneNumber", "PhoneNumber"].map(|member| {
        session["Participants"].as_array().unwrap().iter().map(|of| of[member].clone()).collect()
    });
    let [proxies, numbers]: [Vec<Value>; 2] = both;
    assert_eq!(json!(proxies), json!(["+12065550000", "+12065550000"]));
    assert_eq!(json!(numbers), make["ParticipantPhoneNumbers"]);
    assert_eq!((&session["Status"], &session["ExpiryMinutes"]), (&json!("Open"), &json!(30)));
    assert_eq!(session.get("EndedTimestamp"), None);
    let reached = |node: &Node| {
        let directory::Reached::Proxy(_, proxy) = node.directory.reached_by_number("+12065550000")
        else {
            return None;
        };
        proxy.reached_by(Some("+14155550111"), Some(NOW)).map(|to| to.called.to_string())
    };
    assert_eq!(reached(&node).as_deref(), Some("+12125550333"), "routed at once");
    let taken = ask(&mut node, "POST", "/proxy-sessions", "", make.clone()).unwrap_err();
    assert_eq!(taken.kind, ErrorKind::BadRequest);
    assert!(taken.message.contains("PhoneNumberPoolCountries"), "{}", taken.message);

    let id = session["ProxySessionId"].as_str().unwrap();
    let path = format!("/proxy-sessions/{id}");
    assert_eq!(ask(&mut node, "GET", &path, "", Value::Null).unwrap(), made);
    node.live = vec![ProxySessionId::parse(id).unwrap()];
    let up = ask(&mut node, "GET", &path, "", Value::Null).unwrap();
    assert_eq!(up["ProxySession"]["Status"], "InProgress");
    node.live.clear();
    let update = json!({ "Capabilities": ["Voice"], "ExpiryMinutes": 5 });
    let changed = ask(&mut node, "POST", &path, "", update).unwrap();
    assert_eq!(changed["ProxySession"]["ExpiryMinutes"], 5);
    ask(&mut node, "DELETE", &path, "", Value::Null).unwrap();
    assert_eq!(reached(&node), None, "gone at once");
    for (status, count) in [("Closed", 1), ("Open", 0), ("", 1)] {
        let query = if status.is_empty() { String::new() } else { format!("status={status}") };
        let listed = ask(&mut node, "GET", "/proxy-sessions", &query, Value::Null).unwrap();
        assert_eq!(listed["ProxySessions"].as_array().unwrap().len(), count, "{status}");
    }
    let other = format!("/voice-connectors/abcdef1ghij2klmno30001/proxy-sessions/{id}");
    let foreign = served(&mut api, &mut node, ("GET", &other, ""), &Value::Null).unwrap_err();
    assert_eq!(foreign.kind, ErrorKind::NotFound, "of another voice connector");
}

#[test]
fn a_proxy_configuration_takes_its_sessions_with_it_and_refuses_what_cannot_be() {
    let (mut api, mut node) = masking();
    let mut ask = |node: &mut Node, method: &str, end: &str, body: Value| {
        served(&mut api, node, (method, &format!("{MASKED}{end}"), ""), &body)
    };
    let proxy = "/programmable-numbers/proxy";
    let put = |minutes: i64, country: &str, fallback: &str| {
        json!({ "DefaultSessionExpiryMinutes": minutes, "PhoneNumberPoolCountries": [country],
            "FallBackPhoneNumber": fallback })
    };
    for (wrong, named) in [
        (put(0, "US", "+18005550123"), "DefaultSessionExpiryMinutes"),
        (put(30, "ZZ", "+18005550123"), "PhoneNumberPoolCountries"),
        (put(30, "US", "+12065550000"), "proxy number"),
        (put(30, "US", "12"), "FallBackPhoneNumber"),
    ] {
        let refused = ask(&mut node, "PUT", proxy, wrong).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest);
        assert!(refused.message.contains(named), "{}", refused.message);
    }
    ask(&mut node, "PUT", proxy, put(30, "US", "+18005550123")).unwrap();
    let make = |capability: &str| {
        json!({ "ParticipantPhoneNumbers": ["+14155550111", "+12125550333"],
            "Capabilities": [capability] })
    };
    let sms = ask(&mut node, "POST", "/proxy-sessions", make("SMS")).unwrap_err();
    assert!(sms.message.contains("SMS is not served"), "{}", sms.message);
    let made = ask(&mut node, "POST", "/proxy-sessions", make("Voice")).unwrap();
    ask(&mut node, "DELETE", proxy, Value::Null).unwrap();
    let gone = ask(&mut node, "DELETE", proxy, Value::Null).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    let path =
        format!("/proxy-sessions/{}", made["ProxySession"]["ProxySessionId"].as_str().unwrap());
    let ended = ask(&mut node, "GET", &path, Value::Null).unwrap();
    assert_eq!(ended["ProxySession"]["Status"], "Closed");
    let disabled = json!({ "DefaultSessionExpiryMinutes": 1, "PhoneNumberPoolCountries": ["US"],
        "Disabled": true });
    ask(&mut node, "PUT", proxy, disabled).unwrap();
    let refused = ask(&mut node, "POST", "/proxy-sessions", make("Voice")).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Forbidden);
}
