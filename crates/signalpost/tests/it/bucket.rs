//! A bucket in memory that speaks as much of S3 as an import asks for: listing
//! (`ListObjectsV2`), `HeadObject`, `GetObject` with ranges, as the Amazon S3
//! API reference describes them. Requests without a signature of the known key
//! are refused.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// The access key whose signatures are taken.
pub(crate) const ACCESS_KEY: &str = "AKIDTEST";
/// The bucket's name.
pub(crate) const NAME: &str = "rows";

/// Serves objects until the test ends.
pub(crate) fn serve(objects: BTreeMap<String, Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let objects = Arc::new(objects);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let objects = Arc::clone(&objects);
            std::thread::spawn(move || while answer(&stream, &objects).is_some() {});
        }
    });
    address
}

/// Answers one request of a connection; `None` at its end.
fn answer(mut stream: &TcpStream, objects: &BTreeMap<String, Vec<u8>>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        headers.iter().find_map(|line| {
            let (held, value) = line.split_once(':')?;
            held.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = decoded(path.trim_start_matches('/').strip_prefix(NAME)?.trim_start_matches('/'));
    let signed = header("authorization").is_some_and(|text| {
        text.starts_with(&format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/"))
            && text.contains("/s3/aws4_request")
    });
    let date = "Last-Modified: Sat, 27 Apr 2024 14:35:00 GMT\r\nETag: \"e\"\r\n";
    let (status, extra, body) = if !signed {
        ("403 Forbidden", String::new(), b"<Error><Code>AccessDenied</Code></Error>".to_vec())
    } else if key.is_empty() {
        ("200 OK", String::new(), listing(objects, query).into_bytes())
    } else {
        match (objects.get(&key), header("range")) {
            (None, _) => ("404 Not Found", String::new(), b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            (Some(bytes), None) => ("200 OK", date.to_owned(), bytes.clone()),
            (Some(bytes), Some(range)) => {
                let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
                let (from, to) =
                    (from.parse::<usize>().ok()?, to.parse::<usize>().ok()?.min(bytes.len() - 1));
                let extra = format!("{date}Content-Range: bytes {from}-{to}/{}\r\n", bytes.len());
                ("206 Partial Content", extra, bytes[from..=to].to_vec())
            }
        }
    };
    let head = format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    Some(())
}

/// A part of an address without its percent signs.
fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

fn listing(objects: &BTreeMap<String, Vec<u8>>, query: &str) -> String {
    let prefix = query.split('&').find_map(|part| part.strip_prefix("prefix=")).unwrap_or_default();
    let prefix = decoded(prefix);
    let mut xml = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
    for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        xml.push_str(&format!(
            "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2024-04-27T14:35:00.000Z</LastModified><ETag>\"e\"</ETag></Contents>",
            bytes.len()
        ));
    }
    xml + "</ListBucketResult>"
}
