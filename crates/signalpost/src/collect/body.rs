//! A request's body: read within its limits, and decompressed within them.

use std::io::Read;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::Problem;

/// Reads and decompresses a body of at most `bytes_max` bytes, both as sent
/// and as decompressed.
///
/// # Errors
/// 413 for a body too large, 415 for an unknown encoding, 400 for one that is
/// cut off or not what its encoding says.
pub async fn read(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let collected = Limited::new(body, bytes_max).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            too_large(bytes_max)
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "body_cut_off", "the request ended before its body did")
        }
    })?;
    let bytes = collected.to_bytes();
    let encoding =
        headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(bytes.to_vec()),
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
