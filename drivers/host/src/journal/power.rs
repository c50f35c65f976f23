//! What a power cut leaves of a journal, for those who test that nothing promised is lost: a killed
//! process leaves everything that it has written, a machine without power only what was synced.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::format::{Entry, Found, HEADER_BYTES, Reader};
use super::{JournalError, segment_path, segments};

/// Bytes of garbage at the end of what is left, at most: a sector.
const GARBAGE_BYTES: u64 = 512;

/// Takes away what a power cut may take of the journal at `directory`, whose process is gone: of
/// what was not synced a part stays, by chance, and its end may be garbage. `below` draws a number
/// below another. Returns how many bytes are lost or garbage.
pub fn cut_power(directory: &Path, mut below: impl FnMut(u64) -> u64) -> Result<u64, JournalError> {
    let firsts = segments(directory).map_err(JournalError::io(directory, "read"))?;
    let Some(last) = firsts.last() else { return Ok(0) };
    let path = segment_path(directory, *last);
    let synced = synced_bytes(&path)?;
    let changing = || JournalError::io(&path, "shorten");
    let mut file = fs::File::options().write(true).open(&path).map_err(changing())?;
    let length = file.metadata().map_err(changing())?.len();
    let kept = synced + below(length.saturating_sub(synced) + 1);
    file.set_len(kept).map_err(changing())?;
    let garbage = below((kept - synced).min(GARBAGE_BYTES) + 1);
    file.seek(SeekFrom::Start(kept - garbage)).map_err(changing())?;
    let bytes: Vec<u8> = (0..garbage).map(|_| below(256) as u8).collect();
    file.write_all(&bytes).map_err(changing())?;
    Ok(length - kept + garbage)
}

/// How much of a segment was synced for certain: all before its last mark, which is written when
/// the sync before it is done.
fn synced_bytes(path: &Path) -> Result<u64, JournalError> {
    let mut reader = Reader::open(path)?;
    let mut synced = HEADER_BYTES as u64;
    loop {
        let at = reader.offset;
        match reader.next()? {
            Found::Entry(Entry::Mark { .. }) => synced = at,
            Found::Entry(Entry::Record { .. }) => {}
            Found::End | Found::Damage => return Ok(synced),
        }
    }
}
