//! How frames lie in a stream of bytes: each after its length, a big-endian `u32`.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of the longest frame, and the MTU of a TCP link: the longest Noise message.
pub const FRAME_BYTES: usize = 65_535;

const LENGTH_BYTES: usize = 4;

/// A length that no frame has: zero, or more than [`FRAME_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength(pub u32);

/// Takes the first frame off `received`, if it is complete.
pub fn take(received: &mut BytesMut) -> Result<Option<Bytes>, BadLength> {
    let Some(length) = first_length(received)? else { return Ok(None) };
    if received.len() < LENGTH_BYTES + length {
        return Ok(None);
    }
    received.advance(LENGTH_BYTES);
    Ok(Some(received.split_to(length).freeze()))
}

/// How many bytes are missing until `received` holds a frame; 0 if it holds one.
pub fn missing(received: &[u8]) -> usize {
    let length = first_length(received).ok().flatten().unwrap_or(0);
    (LENGTH_BYTES + length).saturating_sub(received.len())
}

/// Appends `frame` to `outgoing`.
pub fn put(outgoing: &mut Vec<u8>, frame: &[u8]) {
    let length = u32::try_from(frame.len()).expect("the node keeps to the MTU");
    outgoing.extend_from_slice(&length.to_be_bytes());
    outgoing.extend_from_slice(frame);
}

impl From<BadLength> for io::Error {
    fn from(BadLength(length): BadLength) -> Self {
        Self::new(io::ErrorKind::InvalidData, format!("no frame is {length} bytes long"))
    }
}

fn first_length(received: &[u8]) -> Result<Option<usize>, BadLength> {
    let Some(bytes) = received.first_chunk() else { return Ok(None) };
    let length = u32::from_be_bytes(*bytes);
    match usize::try_from(length) {
        Ok(length @ 1..=FRAME_BYTES) => Ok(Some(length)),
        Ok(_) | Err(_) => Err(BadLength(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_cut() {
        let frames = [vec![1; 3], vec![2; FRAME_BYTES], vec![3]];
        let mut stream = Vec::new();
        for frame in &frames {
            put(&mut stream, frame);
        }
        for step in [1, 2, 5, 1000, stream.len()] {
            let (mut received, mut found) = (BytesMut::new(), Vec::new());
            for piece in stream.chunks(step) {
                received.extend_from_slice(piece);
                while let Some(frame) = take(&mut received).unwrap() {
                    found.push(frame.to_vec());
                }
                assert!(missing(&received) > 0);
            }
            assert_eq!(found, frames);
            assert!(received.is_empty());
        }
    }

    #[test]
    fn lengths_that_no_frame_has_are_refused_before_the_frame_is_there() {
        for bad in [0, FRAME_BYTES as u32 + 1, u32::MAX] {
            let mut received = BytesMut::from(&bad.to_be_bytes()[..]);
            assert_eq!(take(&mut received), Err(BadLength(bad)));
        }
        assert_eq!(take(&mut BytesMut::from(&[0u8, 0, 0][..])), Ok(None));
    }

    #[test]
    fn what_is_missing_is_counted_to_the_byte() {
        assert_eq!(missing(&[]), 4);
        assert_eq!(missing(&[0, 0, 1]), 1);
        assert_eq!(missing(&[0, 0, 0, 9, 1, 2]), 7);
        assert_eq!(missing(&[0, 0, 0, 1, 1, 2]), 0);
    }
}
