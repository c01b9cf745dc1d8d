//! `wss://`: whose certificate is believed.

use crate::support::*;
use call_audio::ConsumerEnd;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use voice_socket::VoiceSockets;

/// An authority, and a service for `name` under it.
fn certified(name: &str) -> (String, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (authority, TlsAcceptor::from(Arc::new(config)))
}

fn trusting(authority: &str) -> VoiceSockets {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    VoiceSockets::start(&believing(authorities)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_under_a_private_authority_is_believed_by_who_names_it() {
    let (authority, tls) = certified("127.0.0.1");
    let sockets = trusting(&authority);
    let (service, url) = service().await;
    let mut consumer = sockets.open(&listener(url.replace("ws:", "wss:")), &opening()).unwrap();
    let stream = tls.accept(accept_tcp(&service).await).await.unwrap();
    let mut served = upgrade(stream).await;
    assert_eq!(served.authorization.as_deref(), Some("Bearer open sesame"));
    assert_eq!(served.text().await["type"], "start");
    speak(&mut *consumer, 3);
    assert_eq!(served.audio().await.len(), 640);
    consumer.end(ConsumerEnd::Ended);
    assert_eq!(served.text().await["type"], "stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_and_hears_no_token() {
    let (authority, of_another_name) = certified("other.example.com");
    let (_, of_another_authority) = certified("127.0.0.1");
    for (case, tls) in [("name", of_another_name), ("authority", of_another_authority)] {
        let sockets = trusting(&authority);
        let (service, url) = service().await;
        let consumer = sockets.open(&listener(url.replace("ws:", "wss:")), &opening()).unwrap();
        assert!(tls.accept(accept_tcp(&service).await).await.is_err(), "{case}");
        let counts = counted(&sockets, |counts| counts.given_up == 1).await;
        assert_eq!(counts.connections, 0, "{case}");
        consumer.end(ConsumerEnd::Ended);
    }
}
