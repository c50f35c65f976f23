//! Where a start begins to read: at the newest base whose snapshot is whole. Each base begins a
//! segment, so that what is before it can be left unread, and removed.

use std::path::Path;

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Label, Position, Record};
use bitcraps_protocol::journal::Beginnings;

use super::format::{Entry, Found, HEADER_BYTES, Reader};
use super::index::Index;
use super::{JournalError, Place, segment_path};

/// A segment, by what can be seen without reading it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub(super) first: Position,
    /// Its first record, if that is a base: its height, and whether it follows that block.
    base: Option<(Height, bool)>,
}

/// Looks at the beginning of each segment. What cannot be read there is no base; whoever reads the
/// segment will be told why.
pub(super) fn outline(directory: &Path, firsts: &[Position]) -> Vec<Outline> {
    let base = |first: &Position| {
        let mut reader = Reader::open(&segment_path(directory, *first)).ok()?;
        match reader.next().ok()? {
            Found::Entry(Entry::Record {
                record: Record { label: Label::Base { height, follows }, .. },
                position,
            }) if position == *first => Some((height, follows)),
            Found::Entry(_) | Found::End | Found::Damage => None,
        }
    };
    firsts.iter().map(|first| Outline { first: *first, base: base(first) }).collect()
}

/// Leaves out what an interrupted removal has left behind: segments that follow on nothing.
pub(super) fn without_leftovers(outlines: &[Outline]) -> &[Outline] {
    let begins = |it: &Outline| it.first == Position(0) || it.base.is_some();
    let first = outlines.iter().position(begins).unwrap_or(outlines.len());
    &outlines[first..]
}

/// The index of the segment at which to begin: that of the newest base whose snapshot is whole, or
/// else the first.
pub(super) fn beginning(directory: &Path, outlines: &[Outline]) -> usize {
    for (index, outline) in outlines.iter().enumerate().rev() {
        if outline.base.is_none() {
            continue;
        }
        let mut beginnings = Beginnings::default();
        for it in &outlines[index..] {
            // Damage is reported when the same place is read for good.
            let _ = read_labels(&segment_path(directory, it.first), &mut beginnings);
        }
        if let Some(newest) = beginnings.newest() {
            return outlines.iter().position(|it| it.first == newest).unwrap_or(index);
        }
    }
    0
}

fn read_labels(path: &Path, beginnings: &mut Beginnings) -> Result<(), JournalError> {
    let mut reader = Reader::open(path)?;
    loop {
        match reader.next()? {
            Found::Entry(Entry::Record { position, record }) => {
                beginnings.note(position, record.label);
            }
            Found::Entry(Entry::Mark { .. }) => {}
            Found::End | Found::Damage => return Ok(()),
        }
    }
}

/// Tells the index which blocks the segments before the `beginning` hold, without reading more of
/// them than it must: the first block, and where the blocks end before a state that was fetched.
pub(super) fn index(directory: &Path, outlines: &[Outline], beginning: usize, index: &mut Index) {
    let mut since_base = 0;
    for (at, outline) in outlines[..beginning].iter().enumerate() {
        if outline.base.is_some() {
            since_base = at;
            note(outline, index);
        } else if at == 0 {
            let _ = note_blocks(&segment_path(directory, outline.first), 1, index);
        }
        let ends_here = outlines.get(at + 1).is_some_and(|it| matches!(it.base, Some((_, false))));
        for it in outlines[since_base..=at].iter().filter(|_| ends_here) {
            let _ = note_blocks(&segment_path(directory, it.first), usize::MAX, index);
        }
    }
}

/// Tells the index of a base, if the segment begins with one.
fn note(outline: &Outline, index: &mut Index) {
    if let Some((height, follows)) = outline.base {
        let place = Place { segment: outline.first, offset: HEADER_BYTES as u64 };
        index.note_base(height, follows, place);
    }
}

/// Tells the index of the first `most` blocks in a segment.
fn note_blocks(path: &Path, mut most: usize, index: &mut Index) -> Result<(), JournalError> {
    let mut reader = Reader::open(path)?;
    while most > 0 {
        let place = Place { segment: reader.header.first, offset: reader.offset };
        match reader.next()? {
            Found::Entry(Entry::Record {
                record: Record { label: Label::Block(height), .. },
                ..
            }) => {
                index.note(height, place);
                most -= 1;
            }
            Found::Entry(_) => {}
            Found::End | Found::Damage => return Ok(()),
        }
    }
    Ok(())
}
