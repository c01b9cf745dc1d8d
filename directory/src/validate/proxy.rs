//! Rules on proxy configurations.

use super::Problems;
use crate::{Resources, country_code};
use std::collections::HashMap;

impl Problems {
    pub(super) fn proxies(&mut self, resources: &Resources) {
        let mut seen = HashMap::new();
        for (i, proxy) in resources.proxies.iter().enumerate() {
            let at = format!("proxy[{i}]");
            let id = proxy.voice_connector.as_str();
            self.unique(&mut seen, id, at.clone(), || {
                format!("voice connector {id} has two proxy configurations; remove one")
            });
            let connector = resources.voice_connectors.iter().find(|vc| vc.id.as_str() == id);
            // One that is gone, or has another number now, keeps nothing else from being routed: who is
            // configured for it is masked by what is left.
            if connector.is_none() {
                continue;
            }
            let minutes = proxy.default_expiry_minutes;
            self.check(minutes > 0, format!("{at}.default_expiry_minutes"), || {
                "a session must last a minute at least; use 1 or more".to_owned()
            });
            if let Some(fallback) = &proxy.fallback {
                self.e164(fallback, format!("{at}.fallback"));
            }
            for (n, country) in proxy.countries.iter().enumerate() {
                let known = country_code(country) == Some(*country);
                self.check(known, format!("{at}.countries[{n}]"), || {
                    format!("{country:?} is no country of numbers; use a code such as \"US\"")
                });
            }
        }
    }
}
