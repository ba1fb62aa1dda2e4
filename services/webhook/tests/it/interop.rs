//! Signing and verifying beside the published vectors and the published crate, in both directions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use report_webhook::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Secrets, VerifyError, WebhookId};
use reqwest::header::HeaderMap;
use standardwebhooks::Webhook;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const TIME: i64 = 1_649_367_553;
const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn headers(id: &str, time: &str, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [(HEADER_ID, id), (HEADER_TIMESTAMP, time), (HEADER_SIGNATURE, signature)] {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

fn random_secret() -> String {
    let bytes: Vec<u8> = (0..fastrand::usize(24..=64)).map(|_| fastrand::u8(..)).collect();
    format!("whsec_{}", STANDARD.encode(bytes))
}

fn secrets(lines: &[&str]) -> Secrets {
    Secrets::from_text(&lines.join("\n")).unwrap()
}

#[test]
fn the_published_vector_is_signed_and_verified() {
    let secrets = secrets(&[SECRET]);
    let id = WebhookId::parse(ID).unwrap();
    assert_eq!(secrets.sign(&id, TIME, BODY), SIGNATURE);
    assert_eq!(secrets.verify(&headers(ID, &TIME.to_string(), SIGNATURE), BODY, at(TIME)), Ok(id));
}

#[test]
fn what_we_sign_the_published_crate_verifies() {
    let now = Timestamp::now().as_second();
    for round in 0..200 {
        let (first, second) = (random_secret(), random_secret());
        // The published crate signs and verifies UTF-8 only.
        let body: String = (0..fastrand::usize(..300)).map(|_| fastrand::char(..)).collect();
        let id = WebhookId::of(&format!("01{round:04}"), "report.finished").unwrap();
        let signature = secrets(&[&first, &second]).sign(&id, now, body.as_bytes());
        let headers = headers(id.as_str(), &now.to_string(), &signature);
        for secret in [&first, &second] {
            Webhook::new(secret).unwrap().verify(body.as_bytes(), &headers).unwrap();
        }
        assert!(Webhook::new(&random_secret()).unwrap().verify(body.as_bytes(), &headers).is_err());
    }
}

#[test]
fn what_the_published_crate_signs_we_verify() {
    let now = Timestamp::now().as_second();
    for _ in 0..200 {
        let (old, new) = (random_secret(), random_secret());
        let body: String = (0..fastrand::usize(..300)).map(|_| fastrand::char(..)).collect();
        let signature = Webhook::new(&old).unwrap().sign(ID, now, body.as_bytes()).unwrap();
        let headers = headers(ID, &now.to_string(), &signature);
        assert!(secrets(&[&new, &old]).verify(&headers, body.as_bytes(), at(now)).is_ok());
        assert_eq!(secrets(&[&new]).verify(&headers, body.as_bytes(), at(now)), Err(VerifyError::Signature));
    }
}

#[test]
fn any_body_that_was_signed_is_verified_and_any_changed_bit_is_seen() {
    for _ in 0..200 {
        let secrets = secrets(&[&random_secret()]);
        let mut body: Vec<u8> = (0..fastrand::usize(1..2000)).map(|_| fastrand::u8(..)).collect();
        let id = WebhookId::parse(ID).unwrap();
        let headers = headers(ID, &TIME.to_string(), &secrets.sign(&id, TIME, &body));
        assert!(secrets.verify(&headers, &body, at(TIME)).is_ok());
        let place = fastrand::usize(..body.len());
        body[place] ^= 1 << fastrand::u32(..8);
        assert_eq!(secrets.verify(&headers, &body, at(TIME)), Err(VerifyError::Signature));
    }
}

#[test]
fn one_of_several_signatures_is_enough_and_unknown_versions_are_passed_over() {
    let secrets = secrets(&[SECRET]);
    let verify = |signature: &str| secrets.verify(&headers(ID, &TIME.to_string(), signature), BODY, at(TIME));
    let forged = format!("v1,{}", STANDARD.encode([1; 32]));
    assert!(verify(&format!("{forged} v1a,bm90IG91cnM= v2,x nonsense {SIGNATURE}")).is_ok());
    assert!(verify(&format!("{SIGNATURE} {forged}")).is_ok());
    let digest = &SIGNATURE[3..];
    for bad in [
        "",
        "v1,",
        " ",
        &forged,
        digest,
        &format!("v1a,{digest}"),
        &format!("v2,{digest}"),
        &format!("V1,{digest}"),
        &format!("v1,{}", &digest[..40]),
        &format!("v1,{digest}AAAA"),
        &SIGNATURE.replace("tZ", "TZ"),
    ] {
        assert_eq!(verify(bad), Err(VerifyError::Signature), "{bad:?}");
    }
    let many = vec![forged.as_str(); 17].join(" ");
    assert_eq!(verify(&many), Err(VerifyError::Header(HEADER_SIGNATURE)));
    assert_eq!(verify(&"x ".repeat(3000)), Err(VerifyError::Header(HEADER_SIGNATURE)));
}

#[test]
fn five_minutes_either_way_are_taken_and_no_second_more() {
    let secrets = secrets(&[SECRET]);
    let verify = |now: i64| secrets.verify(&headers(ID, &TIME.to_string(), SIGNATURE), BODY, at(now));
    assert!(verify(TIME + 300).is_ok());
    assert!(verify(TIME - 300).is_ok());
    assert_eq!(verify(TIME + 301), Err(VerifyError::TooOld));
    assert_eq!(verify(TIME - 301), Err(VerifyError::TooNew));
}

#[test]
fn headers_must_be_there_once_and_well_formed() {
    let secrets = secrets(&[SECRET]);
    let verify = |headers: &HeaderMap| secrets.verify(headers, BODY, at(TIME));
    let good = headers(ID, &TIME.to_string(), SIGNATURE);
    for name in [HEADER_ID, HEADER_TIMESTAMP, HEADER_SIGNATURE] {
        let mut without = good.clone();
        without.remove(name);
        assert_eq!(verify(&without), Err(VerifyError::Header(name)));
        let mut twice = good.clone();
        twice.append(name, good[name].clone());
        assert_eq!(verify(&twice), Err(VerifyError::Header(name)));
        let mut bytes = good.clone();
        bytes.insert(name, b"\xff"[..].try_into().unwrap());
        assert_eq!(verify(&bytes), Err(VerifyError::Header(name)));
    }
    for bad in ["", "x", "+1649367553", "01649367553", "-1649367553", "1649367553.0", " 1649367553", &"9".repeat(40)] {
        assert_eq!(verify(&headers(ID, bad, SIGNATURE)), Err(VerifyError::Header(HEADER_TIMESTAMP)), "{bad:?}");
    }
    // Far in the future, and no overflow on the way there.
    assert_eq!(verify(&headers(ID, &i64::MAX.to_string(), SIGNATURE)), Err(VerifyError::TooNew));
}

/// What the published crate takes and we must not.
#[test]
fn the_published_weaknesses_are_not_ours() {
    let now = Timestamp::now().as_second();
    let empty = Webhook::new("whsec_").unwrap();
    let forged = headers(ID, &now.to_string(), &empty.sign(ID, now, BODY).unwrap());
    assert!(empty.verify(BODY, &forged).is_ok(), "the oracle has changed");
    assert!(Secrets::from_text("whsec_").is_err());
    assert!(secrets(&[SECRET]).verify(&forged, BODY, at(now)).is_err());

    // The same signed text, read as another id and another body.
    let secrets = secrets(&[SECRET]);
    let oracle = Webhook::new(SECRET).unwrap();
    let body = format!("{now}.{{}}");
    let signature = oracle.sign("a", now, body.as_bytes()).unwrap();
    let moved = headers(&format!("a.{now}"), &now.to_string(), &signature);
    assert!(oracle.verify(b"{}", &moved).is_ok(), "the oracle has changed");
    assert_eq!(secrets.verify(&moved, b"{}", at(now)), Err(VerifyError::Header(HEADER_ID)));

    // One moment in another spelling.
    let plus = headers(ID, &format!("+{now}"), &oracle.sign(ID, now, BODY).unwrap());
    assert!(oracle.verify(BODY, &plus).is_ok(), "the oracle has changed");
    assert_eq!(secrets.verify(&plus, BODY, at(now)), Err(VerifyError::Header(HEADER_TIMESTAMP)));
}
