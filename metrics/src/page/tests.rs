use super::*;

#[test]
fn every_line_of_the_page_belongs_to_a_defined_metric() {
    let page = Page::new(10, "0.1.0");
    page.set_readings(|out| {
        out.push(Reading { definition: &d::RELAY_PORTS, label: "free".into(), value: 7.0 });
        out.push(Reading { definition: &d::RELAY_STREAMS, label: "".into(), value: 3.0 });
        out.push(Reading { definition: &d::RELAY_PORTS, label: "used".into(), value: 2.0 });
        out.push(Reading {
            definition: &d::RELAY_PACKETS,
            label: "received".into(),
            value: u64::MAX as f64,
        });
    });
    let text = page.encode();
    for line in [
        "tandem_build_info{version=\"0.1.0\"} 1",
        "tandem_relay_ports{state=\"free\"} 7",
        "tandem_relay_ports{state=\"used\"} 2",
        "tandem_relay_streams 3",
        "tandem_relay_packets_total{direction=\"received\"} 18446744073709551615",
        "tandem_refusals_total{reason=\"loop\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let defined = d::ALL.iter().any(|def| line.starts_with(def.name));
        assert!(defined, "{line}");
    }
}

#[test]
fn voice_connectors_beyond_the_limit_share_a_label() {
    let page = Page::new(1, "0.1.0");
    for last in ["1", "2", "3"] {
        let id = VoiceConnectorId::new(&format!("abcdef1ghij2klmno3pq{last}")).unwrap();
        page.call_began(&id, CallDirection::Inbound);
    }
    let text = page.encode();
    assert!(
        text.contains("tandem_calls_active{voice_connector=\"other\",direction=\"inbound\"} 2")
    );
    assert!(text.contains(
        "tandem_calls_active{voice_connector=\"abcdef1ghij2klmno3pq1\",direction=\"inbound\"} 1"
    ));
}
