//! A request's body: read within its limits, and decompressed within them.

use std::io::Read;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;

use crate::problem::Problem;

/// What is read and thrown away of a body too large, so that its sender, who
/// reads the answer only after sending, learns why: else it sees a connection
/// that breaks.
const SURPLUS_BYTES_MAX: usize = 64 << 20;

/// Reads and decompresses a body of at most `bytes_max` bytes, both as sent
/// and as decompressed.
///
/// # Errors
/// 413 for a body too large, 415 for an unknown encoding, 400 for one that is
/// cut off or not what its encoding says.
pub async fn read(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let bytes = collect(headers, body, bytes_max).await?;
    let encoding =
        headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(bytes),
        "gzip" | "x-gzip" => inflate(flate2::read::MultiGzDecoder::new(&bytes[..]), "gzip", bytes_max),
        "deflate" => inflate(flate2::read::ZlibDecoder::new(&bytes[..]), "deflate", bytes_max),
        "br" => inflate(brotli::Decompressor::new(&bytes[..], 4096), "br", bytes_max),
        "zstd" => {
            let decoder =
                zstd::stream::read::Decoder::new(&bytes[..]).map_err(|error| damaged("zstd", &error))?;
            inflate(decoder, "zstd", bytes_max)
        }
        other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unknown_encoding",
            format!("Content-Encoding '{other}' is not known; send gzip, br, zstd, deflate or none"),
        )),
    }
}

/// The body as sent.
async fn collect(headers: &HeaderMap, mut body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let stated =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    if stated > bytes_max && headers.contains_key(header::EXPECT) {
        // The client asked before sending: it need not send at all.
        return Err(too_large(bytes_max));
    }
    let mut bytes = Vec::with_capacity(stated.min(bytes_max));
    let mut surplus = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "body_cut_off", "the request ended before its body did")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if surplus == 0 && bytes.len() + data.len() <= bytes_max {
            bytes.extend_from_slice(&data);
            continue;
        }
        surplus += data.len();
        if surplus > SURPLUS_BYTES_MAX {
            break;
        }
    }
    if surplus > 0 { Err(too_large(bytes_max)) } else { Ok(bytes) }
}

/// Decompresses; a small body that grows without end is stopped at the limit.
fn inflate(decoder: impl Read, encoding: &str, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = decoder
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| damaged(encoding, &error))?;
    if read > bytes_max { Err(too_large(bytes_max)) } else { Ok(bytes) }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body is larger than {bytes_max} bytes; send the events in several requests"),
    )
    .with("limit_bytes", bytes_max as u64)
}

fn damaged(encoding: &str, error: &std::io::Error) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad_encoding",
        format!("the body is not {encoding}, or is cut off: {error}"),
    )
}
