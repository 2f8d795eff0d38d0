//! Outbound messages: what is read of them, and what is refused.

use proptest::prelude::*;
use serde_json::json;

use super::super::soap::{ACK, Error, is_xml, read};

fn message(inside: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>00D5g000004abcdEAA</OrganizationId>
   <ActionId>04k5g0000008OiDAAU</ActionId>
   <SessionId>00D5g000004abcd!AQ.session</SessionId>
   <EnterpriseUrl>https://a.my.salesforce.com/services/Soap/c/60.0/00D5g000004abcd</EnterpriseUrl>
   <PartnerUrl>https://a.my.salesforce.com/services/Soap/u/60.0/00D5g000004abcd</PartnerUrl>
   {inside}
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>"#
    )
}

const CONTACT: &str = r#"<Notification>
    <Id>04l5g00000BXJzWAAX</Id>
    <sObject xsi:type="sf:Contact" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>0035g00000Abcd1AAB</sf:Id>
     <sf:Email>a&amp;b@example.com</sf:Email>
     <sf:FirstName>Zo&#235;</sf:FirstName>
     <sf:Title xsi:nil="true"/>
     <sf:MailingAddress><sf:city>Bonn</sf:city></sf:MailingAddress>
     <sf:Note><![CDATA[<b>x</b>]]></sf:Note>
    </sObject>
   </Notification>"#;

fn ours(id: &str) -> bool {
    id.starts_with("00D5g000004abcd")
}

#[test]
fn a_message_is_a_list_of_notifications() {
    let read = read(message(&CONTACT.repeat(2)).as_bytes(), ours).unwrap().to_json();
    let expected = json!({"organization_id": "00D5g000004abcdEAA", "action_id": "04k5g0000008OiDAAU",
        "notification_id": "04l5g00000BXJzWAAX", "type": "Contact", "object": {"Id": "0035g00000Abcd1AAB",
        "Email": "a&b@example.com", "FirstName": "Zoë", "Title": null, "MailingAddress": {"city": "Bonn"}, "Note": "<b>x</b>"}});
    assert_eq!(read, json!([expected, expected]));
    assert!(!read.to_string().contains("session"), "the session is left behind");
}

#[test]
fn others_and_attacks_are_refused() {
    let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>"#;
    let with_bomb = message(CONTACT).replacen("?>", &format!("?>{bomb}"), 1);
    for (text, expected) in [
        (message(CONTACT).replace("00D5g000004abcdEAA", "00D000000000001AAA"), "another organisation"),
        (
            message(CONTACT).replace("<OrganizationId>00D5g000004abcdEAA</OrganizationId>", ""),
            "another organisation",
        ),
        (message(""), "no notification"),
        (with_bomb, "document type"),
        (message(&CONTACT.replace("&amp;", "&own;")), "entity of its own"),
        (message(&"<a>".repeat(40)), "deeper than 16"),
        (message(&CONTACT.repeat(1_001)), "more than 1000"),
        (message(CONTACT).replace("</soapenv:Envelope>", ""), "cut off"),
        (message(CONTACT).replace("</sObject>", ""), "not XML"),
        ("<a/>".to_owned(), "another organisation"),
    ] {
        let error = read(text.as_bytes(), ours).unwrap_err();
        assert!(error.to_string().contains(expected), "{error} is not about: {expected}");
    }
    assert!(matches!(read(b"\xFF<a/>", ours), Err(Error::Xml(_))));
}

#[test]
fn xml_is_told_from_json() {
    assert!(is_xml(b"\xEF\xBB\xBF \n<a/>") && !is_xml(b" {\"a\":\"<\"}") && !is_xml(b""));
    assert!(read(ACK.as_bytes(), ours).is_err() && ACK.contains("<Ack>true</Ack>"));
}

proptest! {
    #[test]
    fn no_xml_harms(cut in 0_usize..2_000, put in "[<>&;a-z/\"=!\\[\\]]{0,12}") {
        let mut text = message(CONTACT);
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(cut, &put);
        drop(read(text.as_bytes(), ours));
    }
}
