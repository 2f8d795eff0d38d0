//! The abandoned-cart mail as a program would write it without a template: what no engine can be much below.
//!
//! In: the mail's data. Out: the same bytes that the Liquid template gives.

#![expect(clippy::too_many_lines, reason = "the mail stands here as it reads")]

use std::fmt::Write as _;

use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn made(write: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    write(&mut text);
    text
}

fn escape(value: Option<&str>, out: &mut String) {
    for c in value.unwrap_or("").chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

fn capitalize(value: Option<&str>, out: &mut String) {
    let mut letters = value.unwrap_or("").chars();
    out.extend(letters.next().into_iter().flat_map(char::to_uppercase));
    out.extend(letters.flat_map(char::to_lowercase));
}

fn number(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").unwrap();
}

fn price(cents: &Value, times: i64, out: &mut String) {
    let euros = (cents.as_i64().unwrap_or(0) * times) as f64 / 100.0;
    write!(out, "{:?}", (euros * 100.0).round() / 100.0).unwrap();
}

fn date(value: Option<&str>, out: &mut String) {
    let at: jiff::Timestamp = value.unwrap_or("").parse().unwrap();
    write!(out, "{}", at.strftime("%A, %d %B %Y")).unwrap();
}

fn url(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(char::from(b)),
            b => write!(out, "%{b:02X}").unwrap(),
        }
    }
}

/// Without tags, and at most 90 letters long.
fn shortened(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut inside = false;
    for c in value.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    if plain.chars().count() <= 90 {
        return plain;
    }
    plain.chars().take(87).chain("...".chars()).collect()
}

fn tags(item: &Value) -> &[Value] {
    item["tags"].as_array().map_or(&[], |t| t)
}

/// The whole mail.
pub(crate) fn mail(data: &Value) -> String {
    let mut text = String::with_capacity(16 << 10);
    let out = &mut text;
    let (user, cart, shop) = (&data["user"], &data["cart"], &data["shop"]);
    let items = cart["items"].as_array().map_or(&[][..], |i| i);
    out.push_str(
        r###"<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>"###,
    );
    escape(shop["name"].as_str(), out);
    out.push_str(r###": your cart is waiting</title>
  <style>
    .c1 { padding: 2px; margin: 0 auto; font-family: Helvetica, Arial, sans-serif; color: #331313; line-height: 1.5; }
    .c2 { padding: 4px; margin: 0 auto; font-family: Helvetica, Arial, sans-serif; color: #332323; line-height: 1.5; }
    .c3 { padding: 6px; margin: 0 auto; font-family: Helvetica, Arial, sans-serif; color: #333333; line-height: 1.5; }
    .c4 { padding: 8px; margin: 0 auto; font-family: Helvetica, Arial, sans-serif; color: #334343; line-height: 1.5; }
    .c5 { padding: 10px; margin: 0 auto; font-family: Helvetica, Arial, sans-serif; color: #335353; line-height: 1.5; }
  </style>
</head>
<body>
<div class="preheader">"###);
    capitalize(user["first_name"].as_str().filter(|n| !n.is_empty()).or(Some("there")), out);
    out.push_str(r###", "###);
    number(items.len(), out);
    out.push_str(
        r###" things are still in your cart.</div>
"###,
    );
    if user["tier"] == "gold" {
        out.push_str(r###"<p class="gold">Thank you for "###);
        number(user["points"].as_i64().unwrap_or(0) / 100 * 100, out);
        out.push_str(r###" points.</p>"###);
    } else if user["tier"] == "silver" {
        out.push_str(r###"<p class="silver">Nearly gold.</p>"###);
    } else {
        out.push_str(r###"<p>Join our club.</p>"###);
    }
    out.push_str(
        r###"
<h1>Hello "###,
    );
    let name =
        made(|t| capitalize(user["first_name"].as_str().filter(|n| !n.is_empty()).or(Some("there")), t));
    escape(Some(&name), out);
    if !user["city"].is_null() {
        out.push_str(r###" in "###);
        escape(user["city"].as_str(), out);
    }
    out.push_str(
        r###",</h1>
<p>On "###,
    );
    date(cart["abandoned_at"].as_str(), out);
    out.push_str(r###" you left these in your cart at "###);
    escape(shop["name"].as_str(), out);
    out.push_str(
        r###":</p>
<table width="600" cellpadding="0" cellspacing="0" border="0" role="presentation">
"###,
    );
    rows(items, out);
    footer(data, out);
    text
}

fn rows(items: &[Value], out: &mut String) {
    for (at, item) in items.iter().enumerate() {
        let quantity = item["quantity"].as_i64().unwrap_or(0);
        out.push_str(
            r###"
  <tr class=""###,
        );
        out.push_str(if at % 2 == 0 { "odd" } else { "even" });
        out.push_str(r###"">
    <td width="160" style="padding: 12px; vertical-align: top; border-bottom: 1px solid #eeeeee;"><a href=""###);
        escape(item["url"].as_str(), out);
        out.push_str("?utm_source=mail");
        out.push_str(r###""><img src=""###);
        escape(Some(&text(&item["image_url"]).replace("600x600", "150x150")), out);
        out.push_str(r###"" alt=""###);
        escape(item["name"].as_str(), out);
        out.push_str(r###"" width="150" height="150" style="display: block; border: 0;"></a></td>
    <td style="padding: 12px; font-family: Helvetica, Arial, sans-serif; font-size: 15px; line-height: 22px; color: #333333; border-bottom: 1px solid #eeeeee;">
      <p style="margin: 0 0 4px; font-weight: bold;"><a href=""###);
        escape(item["url"].as_str(), out);
        out.push_str("?utm_source=mail");
        out.push_str(r###"" style="color: #1a4d8f; text-decoration: none;">"###);
        escape(item["name"].as_str(), out);
        out.push_str(
            r###"</a></p>
      <p style="margin: 0 0 4px; color: #888888;">"###,
        );
        escape(Some(&text(&item["brand"]).to_uppercase()), out);
        out.push_str(r###": "###);
        for (at, tag) in tags(item).iter().enumerate() {
            capitalize(tag.as_str(), out);
            if at + 1 < tags(item).len() {
                out.push_str(r###", "###);
            }
        }
        out.push_str(
            r###"</p>
      <p style="margin: 0 0 8px;">"###,
        );
        escape(Some(&shortened(text(&item["description"]))), out);
        out.push_str(
            r###"</p>
      "###,
        );
        if item["on_sale"] == true {
            out.push_str(r###"<p style="color: #b00020;"><s>"###);
            price(&item["old_price"], 1, out);
            out.push_str(r###"</s> now "###);
            price(&item["price"], 1, out);
            out.push_str(r###" EUR</p>"###);
        } else {
            out.push_str(r###"<p>"###);
            price(&item["price"], 1, out);
            out.push_str(r###" EUR</p>"###);
        }
        out.push_str(
            r###"
      "###,
        );
        if item["stock"].as_i64().is_some_and(|s| s < 3) {
            out.push_str(r###"<p style="color: #b00020;">Only "###);
            number(item["stock"].as_i64().unwrap_or(0), out);
            out.push_str(r###" left</p>"###);
        }
        out.push_str(
            r###"
      "###,
        );
        if quantity > 1 {
            out.push_str(r###"<p>"###);
            number(quantity, out);
            out.push_str(r###" of them: "###);
            price(&item["price"], quantity, out);
            out.push_str(r###" EUR</p>"###);
        }
        out.push_str(
            r###"
      "###,
        );
        if !item["colour"].is_null() {
            out.push_str(r###"<p style="margin: 0; font-size: 13px;">Colour: "###);
            capitalize(item["colour"].as_str(), out);
            out.push_str(r###"</p>"###);
        }
        out.push_str(r###"
    </td>
    <td width="90" style="padding: 12px; vertical-align: middle; text-align: right; border-bottom: 1px solid #eeeeee;"><table cellpadding="0" cellspacing="0" border="0" role="presentation"><tr><td style="border-radius: 4px; background: #1a4d8f;"><a href=""###);
        out.push_str(text(&item["url"]));
        out.push_str(r###"" style="display: inline-block; padding: 10px 18px; font-family: Helvetica, Arial, sans-serif; font-size: 14px; line-height: 18px; color: #ffffff; text-decoration: none;">View</a></td></tr></table></td>
  </tr>
"###);
    }
}

fn footer(data: &Value, out: &mut String) {
    let (user, cart, shop, coupon) = (&data["user"], &data["cart"], &data["shop"], &data["coupon"]);
    out.push_str(
        r###"
</table>
"###,
    );
    let total = cart["total"].as_i64().unwrap_or(0);
    out.push_str(
        r###"
<p>Total: "###,
    );
    price(&cart["total"], 1, out);
    out.push_str(r###" EUR. "###);
    if !coupon.is_null() {
        out.push_str(r###"With <b>"###);
        out.push_str(text(&coupon["code"]));
        out.push_str(r###"</b> you save "###);
        price(&Value::from(total * coupon["percent"].as_i64().unwrap_or(0) / 100), 1, out);
        out.push_str(r###" EUR."###);
    }
    out.push_str(
        r###"</p>
"###,
    );
    if total > 5000 {
        out.push_str(r###"<p>Shipping is free.</p>"###);
    } else {
        out.push_str(r###"<p>Add "###);
        number(5000 - total, out);
        out.push_str(r###" cents for free shipping.</p>"###);
    }
    out.push('\n');
    if !user["last_order"].is_null() {
        out.push_str(r###"<p>Your last order was "###);
        escape(user["last_order"].as_str(), out);
        out.push_str(r###".</p>"###);
    }
    out.push('\n');
    if !text(&shop["phone"]).trim().is_empty() {
        out.push_str(r###"<p>Questions? Call "###);
        escape(shop["phone"].as_str(), out);
        out.push_str(r###".</p>"###);
    }
    out.push_str(
        r###"
<p><a class="button" href=""###,
    );
    out.push_str(text(&shop["url"]));
    out.push_str(r###"/cart/"###);
    url(text(&cart["id"]), out);
    out.push_str(r###"?code="###);
    url(text(&coupon["code"]), out);
    out.push_str(
        r###"">Back to your cart</a></p>
<p class="footer">"###,
    );
    escape(shop["name"].as_str(), out);
    out.push_str(r###", "###);
    escape(shop["address"].as_str(), out);
    out.push_str(r###". <a href=""###);
    out.push_str(text(&data["unsubscribe_url"]));
    out.push_str(r###"">Unsubscribe</a> "###);
    escape(Some(&text(&user["email"]).to_lowercase()), out);
    out.push_str(
        r###"</p>
</body>
</html>
"###,
    );
}
