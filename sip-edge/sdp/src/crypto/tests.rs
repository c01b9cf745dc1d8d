use super::*;

/// Thirty bytes, 0 to 29.
const KEY_128: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
/// 46 bytes, 0 to 45.
const KEY_256: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKiss";

fn parsed(value: &str) -> CryptoAttribute {
    CryptoAttribute::parse(value).unwrap_or_else(|fault| panic!("{value}: {fault}"))
}

fn counting(length: u8) -> Vec<u8> {
    (0..length).collect()
}

/// RFC 4568 section 4.1.
#[test]
fn the_example_of_the_rfc() {
    let line = parsed(
        "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32",
    );
    assert_eq!((line.tag(), line.suite()), (1, SrtpSuite::AesCm128HmacSha1_80));
    assert_eq!(line.lifetimes().collect::<Vec<_>>(), [Some(1 << 20)]);
    assert_eq!(
        line.usable(),
        Err(CryptoFault::LongMki),
        "32 bytes are more than a packet is worth"
    );
    let line =
        parsed("1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|1:4");
    assert_eq!(line.usable().map(SrtpKey::mki), Ok(&[0, 0, 0, 1][..]));
    assert_eq!(line.usable().map(SrtpKey::master_key), Ok(&b"=-n@%^x!Bjufr9)?"[..]));
}

#[test]
fn every_suite_under_both_spellings_with_and_without_padding() {
    for suite in SrtpSuite::ALL {
        let length = (suite.key_len() + suite.salt_len()) as u8;
        let key = SrtpKey::new(suite, &counting(length)).expect("the right length");
        let value = CryptoAttribute::new(7, key.clone()).to_value();
        assert_eq!(parsed(&value).usable(), Ok(&key));
        assert_eq!(parsed(value.trim_end_matches('=')).usable(), Ok(&key), "{value}");
        assert_eq!(value.split(' ').nth(1), Some(suite.name()));
    }
    for tail in ["80", "32"] {
        let line = parsed(&format!("2 AES_CM_256_HMAC_SHA1_{tail} inline:{KEY_256}LQ=="));
        let key = line.usable().expect("usable").clone();
        let answer = line.answered_with(key).expect("the same suite").to_value();
        assert!(answer.starts_with(&format!("2 AES_CM_256_HMAC_SHA1_{tail} ")), "{answer}");
    }
}

#[test]
fn an_answer_keeps_the_tag_and_never_another_suites_key() {
    let line = parsed(&format!("42 AES_CM_128_HMAC_SHA1_32 inline:{KEY_128}"));
    let other = SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &counting(30)).expect("30 bytes");
    assert_eq!(line.answered_with(other), None);
    let own = SrtpKey::new(SrtpSuite::AesCm128HmacSha1_32, &[9; 30]).expect("30 bytes");
    let answer = line.answered_with(own.clone()).expect("the same suite");
    assert_eq!((answer.tag(), answer.usable()), (42, Ok(&own)));
}

#[test]
fn lifetimes_are_powers_or_decimals_up_to_2_to_the_48() {
    let lifetime = |text: &str| {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|{text}");
        CryptoAttribute::parse(&value).map(|line| line.lifetimes().next().flatten())
    };
    assert_eq!(lifetime("2^31"), Ok(Some(1 << 31)));
    assert_eq!(lifetime("2^48"), Ok(Some(1 << 48)));
    assert_eq!(lifetime("1000000"), Ok(Some(1_000_000)));
    for bad in ["", "0", "2^49", "2^64", "2^", "2^-1", "-5", "281474976710657", "+7", "2^ 3"] {
        assert!(lifetime(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn an_mki_is_a_number_that_fits_its_length() {
    let line = |text: &str| {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|{text}");
        CryptoAttribute::parse(&value)
    };
    let mki = |text: &str| line(text).unwrap().usable().map(|key| key.mki().to_vec());
    assert_eq!(mki("1:1"), Ok(vec![1]));
    assert_eq!(mki("2^20|4294967295:4"), Ok(vec![255; 4]));
    assert_eq!(mki("66051:16").map(|m| m.len()), Ok(16));
    assert_eq!(mki("5:17"), Err(CryptoFault::LongMki));
    for bad in ["1:0", "1:129", "256:1", ":1", "1:", "x:1", "1:x", "1:4|2^20", "1:4|1:4", "2^2|2^2"]
    {
        assert!(line(bad).is_err(), "{bad}");
    }
}

#[test]
fn several_keys_are_read_and_not_taken() {
    let value = format!(
        "1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|2^20|1:4;inline:{KEY_128}|2^20|2:4 WSH=128"
    );
    let line = parsed(&value);
    assert_eq!(line.usable(), Err(CryptoFault::SeveralKeys));
    assert_eq!(line.lifetimes().count(), 2);
    assert_eq!(line.to_value(), value);
    let without = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128};inline:{KEY_128}");
    assert!(CryptoAttribute::parse(&without).is_err());
    let many = vec![format!("inline:{KEY_128}|1:1"); 17].join(";");
    assert!(CryptoAttribute::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {many}")).is_err());
}

#[test]
fn what_must_be_obeyed_and_is_not_served_refuses_the_line() {
    let usable = |parameters: &str| {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} {parameters}");
        CryptoAttribute::parse(&value).map(|line| line.usable().is_ok())
    };
    for fine in ["", "WSH=64", "WSH=1024", "-x-vendor=7", "-", "WSH=64 -y"] {
        assert_eq!(usable(fine), Ok(true), "{fine}");
    }
    for refused in [
        "KDR=1",
        "KDR=24",
        "UNENCRYPTED_SRTP",
        "unencrypted_srtcp",
        "UNAUTHENTICATED_SRTP",
        "FEC_ORDER=FEC_SRTP",
        "FEC_ORDER=SRTP_FEC",
        "FEC_KEY=inline:AAAA",
        "X-new",
        "WSH=64 X-new=1",
    ] {
        assert_eq!(usable(refused), Ok(false), "{refused}");
    }
    for bad in ["KDR", "KDR=0", "KDR=25", "KDR=-1", "WSH=63", "WSH=", "WSH=99999999999"] {
        assert!(usable(bad).is_err(), "{bad}");
    }
    assert!(usable(&"-a ".repeat(17)).is_err());
}

#[test]
fn what_is_no_crypto_attribute_is_named() {
    for (value, reason) in [
        ("", "key-params"),
        ("1 AES_CM_128_HMAC_SHA1_80", "key-params"),
        (&format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}"), "tag"),
        (&format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}"), "tag"),
        (&format!("-1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}"), "tag"),
        (&format!("1 F8_128_HMAC_SHA1_80 inline:{KEY_128}"), "suite"),
        (&format!("1 AES_192_CM_HMAC_SHA1_80 inline:{KEY_128}"), "suite"),
        (&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY_128}"), "method"),
        (&format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY_128}"), "method"),
        (&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_256}LQ=="), "length"),
        (&format!("1 AES_CM_128_HMAC_SHA1_80 inline:*{KEY_128}"), "Base64"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:", "length"),
    ] {
        let fault = CryptoAttribute::parse(value).expect_err(value);
        assert!(fault.to_string().contains(reason), "{value}: {fault}");
    }
}

#[test]
fn printing_a_line_shows_no_key() {
    let line = parsed(&format!(
        "1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|2^20|77:4 -x=secret FEC_KEY=inline:secret"
    ));
    let shown = format!("{line:?}");
    assert!(!shown.contains("AAEC") && !shown.contains("secret"), "{shown}");
}
