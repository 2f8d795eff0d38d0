//! Tokens that are taken, and every kind that is not.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use super::*;
use crate::keys::NewKey;
use crate::state::memory::MemoryStore;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn start(documents: &Arc<Documents<MemoryStore>>) -> OAuth<MemoryStore> {
    let settings = Settings { public_url: "https://signalpost.example".into(), ..Settings::default() };
    OAuth::load(documents, &settings).unwrap()
}

fn fresh() -> (Arc<Documents<MemoryStore>>, OAuth<MemoryStore>) {
    let documents = Arc::new(Documents::new(Arc::new(MemoryStore::default())));
    let oauth = start(&documents);
    (documents, oauth)
}

fn client(oauth: &OAuth<MemoryStore>, scopes: &[&str]) -> Arc<Caller> {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let new = NewKey { scopes, source: "crm".into(), ..NewKey::default() };
    let (key, secret) = oauth.clients.create(new, NOW).unwrap();
    let request = TokenRequest { client_id: key.id.clone(), client_secret: secret, scopes: Vec::new() };
    oauth.judge(&request, NOW).unwrap().0
}

fn token_of(oauth: &OAuth<MemoryStore>, client: &Caller) -> String {
    oauth.grant(client, &client.scopes, NOW).unwrap().token
}

fn check(oauth: &OAuth<MemoryStore>, token: &str, now: Timestamp) -> Result<String, Refused> {
    oauth.check(token, &digest(token), now).map(|caller| caller.scopes.join(" "))
}

fn part(token: &str, number: usize) -> Json {
    serde_json::from_slice(&BASE64.decode(token.split('.').nth(number).unwrap()).unwrap()).unwrap()
}

/// A token of ours whose header and claims were changed before it was signed.
fn signed(oauth: &OAuth<MemoryStore>, client: &Caller, change: impl FnOnce(&mut Json, &mut Json)) -> String {
    let token = token_of(oauth, client);
    let (mut header, mut claims) = (part(&token, 0), part(&token, 1));
    change(&mut header, &mut claims);
    let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let key = oauth.signing.current(Span::DAY, Span::HOUR, NOW).unwrap();
    format!("{message}.{}", BASE64.encode(key.sign(message.as_bytes()).unwrap()))
}

#[test]
fn a_token_is_as_the_rfc_has_it_and_good_until_it_ends() {
    let (_, oauth) = fresh();
    let client = client(&oauth, &["events:write", "content:*"]);
    let granted = oauth.grant(&client, &client.scopes, NOW).unwrap();
    assert_eq!((granted.seconds, granted.scope.as_str()), (600, "events:write content:*"));
    let (header, claims) = (part(&granted.token, 0), part(&granted.token, 1));
    let keys = oauth.public_keys(NOW).unwrap();
    assert_eq!(header, json!({"typ": "at+jwt", "alg": "RS256", "kid": keys[0]["kid"]}));
    assert_eq!(claims["iss"], "https://signalpost.example");
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(client.id), &json!(client.id)));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    assert!(claims["jti"].as_str().unwrap().len() > 20);
    let ends = NOW + Span::SECOND.times(600);
    // The first time it is proved, the second it is known.
    for _ in 0..2 {
        let caller = oauth.check(&granted.token, &digest(&granted.token), NOW).unwrap();
        assert_eq!((caller.id.as_str(), caller.source.as_str()), (client.id.as_str(), "crm"));
        assert!(caller.allows("content:write") && !caller.allows("segments:read"));
    }
    assert!(check(&oauth, &granted.token, ends - Span::SECOND).is_ok());
    assert_eq!(check(&oauth, &granted.token, ends), Err(Refused::Expired));
    let (_, other) = fresh();
    assert_eq!(check(&other, &granted.token, NOW), Err(Refused::UnknownKey));
}

#[test]
fn forged_and_foreign_tokens_are_refused() {
    let (_, oauth) = fresh();
    let client = client(&oauth, &["events:write"]);
    let same = signed(&oauth, &client, |_, _| {});
    assert!(check(&oauth, &same, NOW).is_ok(), "the test's own signing is right");
    let changed = |change: fn(&mut Json, &mut Json)| check(&oauth, &signed(&oauth, &client, change), NOW);
    assert_eq!(changed(|_, claims| claims["iss"] = json!("https://other.example")), Err(Refused::Issuer));
    assert_eq!(changed(|_, claims| claims["aud"] = json!("https://other.example")), Err(Refused::Audience));
    assert_eq!(changed(|_, claims| claims["exp"] = json!(1_799_999_999)), Err(Refused::Expired));
    assert_eq!(changed(|_, claims| claims["exp"] = json!("never")), Err(Refused::Unreadable));
    assert_eq!(changed(|_, claims| claims["sub"] = json!("another")), Err(Refused::Unreadable));
    assert_eq!(
        changed(|_, claims| drop(claims.as_object_mut().unwrap().remove("aud"))),
        Err(Refused::Unreadable)
    );
    assert_eq!(changed(|header, _| header["typ"] = json!("JWT")), Err(Refused::Type));
    assert_eq!(changed(|header, _| header["crit"] = json!(["b64"])), Err(Refused::Type));
    assert_eq!(changed(|header, _| drop(header.as_object_mut().unwrap().remove("typ"))), Err(Refused::Type));
    assert_eq!(changed(|header, _| header["kid"] = json!("another")), Err(Refused::UnknownKey));
    assert_eq!(
        changed(|header, _| drop(header.as_object_mut().unwrap().remove("kid"))),
        Err(Refused::UnknownKey)
    );
    assert_eq!(changed(|header, _| header["alg"] = json!("RS512")), Err(Refused::Algorithm));
    assert_eq!(changed(|header, _| header["alg"] = json!("PS256")), Err(Refused::Algorithm));
    assert!(changed(|header, _| header["alg"] = json!("none")).is_err());
    assert!(changed(|header, _| header["typ"] = json!("application/at+JWT")).is_ok());
}

#[test]
fn neither_no_signature_nor_the_public_key_as_a_secret_opens_anything() {
    let (_, oauth) = fresh();
    let client = client(&oauth, &["events:write"]);
    let token = token_of(&oauth, &client);
    let claims = token.split('.').nth(1).unwrap();
    let kid = part(&token, 0)["kid"].clone();
    let head = |alg: &str| BASE64.encode(json!({"typ": "at+jwt", "alg": alg, "kid": kid}).to_string());
    for alg in ["none", "None", "NONE", ""] {
        for signature in ["", "AAAA"] {
            assert!(check(&oauth, &format!("{}.{claims}.{signature}", head(alg)), NOW).is_err());
        }
    }
    let modulus = oauth.public_keys(NOW).unwrap()[0]["n"].as_str().unwrap().to_owned();
    for secret in [modulus.clone().into_bytes(), BASE64.decode(modulus).unwrap()] {
        let message = format!("{}.{claims}", head("HS256"));
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(message.as_bytes());
        let forged = format!("{message}.{}", BASE64.encode(mac.finalize().into_bytes()));
        assert_eq!(check(&oauth, &forged, NOW), Err(Refused::Algorithm));
    }
    let other = signing_elsewhere(&kid, claims);
    assert_eq!(check(&oauth, &other, NOW), Err(Refused::Signature));
    // Any changed letter of the claims breaks the signature.
    let tampered =
        token.replacen(claims, &BASE64.encode(part(&token, 1).to_string().replace("events", "profile")), 1);
    assert_eq!(check(&oauth, &tampered, NOW), Err(Refused::Signature));
    for broken in ["", ".", "..", "a.b.c", "e30.e30.e30", &format!("{token}."), &token.replace('.', "..")] {
        assert!(check(&oauth, broken, NOW).is_err(), "{broken}");
    }
    assert_eq!(check(&oauth, &format!("ey{}.a.b", "a".repeat(5_000)), NOW), Err(Refused::TooLong));
}

/// The same claims under the same key's name, signed by another's key.
fn signing_elsewhere(kid: &Json, claims: &str) -> String {
    let (_, other) = fresh();
    let key = other.signing.current(Span::DAY, Span::HOUR, NOW).unwrap();
    let header = json!({"typ": "at+jwt", "alg": "RS256", "kid": kid}).to_string();
    let message = format!("{}.{claims}", BASE64.encode(header));
    format!("{message}.{}", BASE64.encode(key.sign(message.as_bytes()).unwrap()))
}

#[test]
fn a_revoked_client_has_no_token_that_works() {
    let (_, oauth) = fresh();
    let client = client(&oauth, &["events:write"]);
    let (known, unknown) = (token_of(&oauth, &client), token_of(&oauth, &client));
    assert!(check(&oauth, &known, NOW).is_ok());
    assert!(oauth.clients.revoke(&client.id, NOW).unwrap());
    assert_eq!(check(&oauth, &known, NOW), Err(Refused::Client));
    assert_eq!(check(&oauth, &unknown, NOW), Err(Refused::Client));
}

#[test]
fn a_replaced_key_proves_its_tokens_until_they_end() {
    let (documents, oauth) = fresh();
    let client = client(&oauth, &["events:write"]);
    let old = token_of(&oauth, &client);
    let kid = oauth.rotate(false, NOW).unwrap();
    let new = token_of(&oauth, &client);
    assert_eq!(
        (part(&new, 0)["kid"].as_str().unwrap(), oauth.public_keys(NOW).unwrap().len()),
        (kid.as_str(), 2)
    );
    // After a restart as before.
    for oauth in [&oauth, &start(&documents)] {
        assert!(check(oauth, &old, NOW).is_ok() && check(oauth, &new, NOW).is_ok());
    }
    let later = NOW + Span::SECOND.times(600) + Span::MINUTE;
    assert_eq!(oauth.public_keys(later).unwrap().len(), 1);
    // Its private half is nowhere any more.
    let kept = documents.versions(Kind::Meta, "oauth-signing-keys").unwrap();
    assert_eq!(kept.len(), 1, "no earlier version stays");
    let private = |number: usize| kept[0].json()[number]["private"].clone();
    assert!(private(0).is_string() && private(1).is_null());
    // A key that may be known to others ends its tokens at once, known ones too.
    oauth.rotate(true, NOW).unwrap();
    assert_eq!(check(&oauth, &old, NOW), Err(Refused::UnknownKey));
    assert_eq!(check(&oauth, &new, NOW), Err(Refused::UnknownKey));
}

#[test]
fn an_old_key_is_replaced_by_itself() {
    let (_, oauth) = fresh();
    let client = client(&oauth, &["events:write"]);
    let signer =
        |now: Timestamp| part(&oauth.grant(&client, &client.scopes, now).unwrap().token, 0)["kid"].clone();
    let first = signer(NOW);
    assert_eq!(signer(NOW + Span::DAY.times(90) - Span::SECOND), first);
    assert_ne!(signer(NOW + Span::DAY.times(90)), first);
}

#[test]
fn a_client_gets_what_it_has_and_no_more() {
    let (_, oauth) = fresh();
    let new = NewKey { scopes: vec!["content:*".into(), "events:write".into()], ..NewKey::default() };
    let (key, secret) = oauth.clients.create(new, NOW).unwrap();
    let ask = |secret: &str, scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let request = TokenRequest { client_id: key.id.clone(), client_secret: secret.into(), scopes };
        oauth.judge(&request, NOW).map(|(_, scopes)| scopes.join(" ")).map_err(Error::code)
    };
    assert_eq!(ask(&secret, &[]), Ok("content:* events:write".into()));
    assert_eq!(ask(&secret, &["content:read"]), Ok("content:read".into()));
    for more in ["admin", "segments:read", "content:everything", "events:*"] {
        assert_eq!(ask(&secret, &["events:write", more]), Err("invalid_scope"), "{more}");
    }
    assert_eq!(ask("guess", &[]), Err("invalid_client"));
    oauth.clients.rotate(&key.id, Span::HOUR, NOW).unwrap();
    assert!(ask(&secret, &[]).is_ok());
    oauth.clients.revoke(&key.id, NOW).unwrap();
    assert_eq!(ask(&secret, &[]), Err("invalid_client"));
}
