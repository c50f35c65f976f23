use std::fs;

use bitcraps_protocol::identity::PeerId;
use bitcraps_protocol::wire::Hash;
use proptest::prelude::*;
use tempfile::TempDir;

use super::format::{Header, encode_mark, encode_record};
use super::*;

const ORIGIN: Origin = Origin { network: Hash([1; 32]), peer: PeerId([2; 32]) };

fn plain(bytes: &[u8]) -> Record {
    Record { key: None, bytes: Bytes::copy_from_slice(bytes) }
}

fn block(height: u64, bytes: &[u8]) -> Record {
    Record { key: Some(Key::Block(Height(height))), bytes: Bytes::copy_from_slice(bytes) }
}

fn prepared() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path()).unwrap();
    directory
}

fn recover(directory: &Path) -> Result<(Vec<Record>, Journal), JournalError> {
    let mut recovery = Recovery::open(directory, ORIGIN)?.with_segment_bytes(400);
    let records = recovery.by_ref().collect();
    Ok((records, recovery.finish()?))
}

/// Appends `batches`, one sync each.
fn write(journal: &mut Journal, batches: &[Vec<Record>]) {
    for batch in batches {
        for record in batch {
            journal.append(journal.next(), record).unwrap();
        }
        journal.sync().unwrap();
    }
}

/// The files of a small journal, by name: three batches, the last of two records.
fn small() -> (Vec<Record>, Vec<(String, Vec<u8>)>) {
    let directory = prepared();
    let batches =
        [vec![plain(b"promise"), block(1, b"one")], vec![], vec![block(2, b"two"), plain(b"")]];
    let (_, mut journal) = recover(directory.path()).unwrap();
    write(&mut journal, &batches);
    (batches.concat(), read_all(directory.path()))
}

fn read_all(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn with_files(files: &[(String, Vec<u8>)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

#[test]
fn records_come_back_in_order_across_segments() {
    let directory = prepared();
    let (records, mut journal) = recover(directory.path()).unwrap();
    assert_eq!(records, []);
    let batches: Vec<Vec<Record>> =
        (0..20u8).map(|n| vec![block(u64::from(n), &[n; 40]), plain(&[n])]).collect();
    write(&mut journal, &batches);
    assert_eq!(journal.next(), Position(40));
    drop(journal);
    assert!(segments(directory.path()).unwrap().len() > 3);

    let (records, mut journal) = recover(directory.path()).unwrap();
    assert_eq!(records, batches.concat());
    for n in 0..20u8 {
        let loaded = journal.load(Key::Block(Height(u64::from(n)))).unwrap();
        assert_eq!(loaded, Some(Bytes::copy_from_slice(&[n; 40])));
    }
    assert_eq!(journal.load(Key::Block(Height(20))).unwrap(), None);
}

#[test]
fn a_block_can_be_loaded_before_it_is_durable() {
    let directory = prepared();
    let (_, mut journal) = recover(directory.path()).unwrap();
    journal.append(Position(0), &block(7, b"seven")).unwrap();
    assert_eq!(journal.load(Key::Block(Height(7))).unwrap(), Some(Bytes::from_static(b"seven")));
    assert!(journal.has_unsynced());
    assert_eq!(journal.sync().unwrap(), Some(Position(0)));
    assert_eq!(journal.sync().unwrap(), None);
}

#[test]
fn a_torn_tail_is_dropped_and_writing_goes_on() {
    let (records, files) = small();
    let [(name, bytes)] = files.as_slice() else { panic!("one segment") };
    let mut seen = std::collections::BTreeSet::new();
    for length in format::HEADER_BYTES..=bytes.len() {
        let directory = with_files(&[(name.clone(), bytes[..length].to_vec())]);
        let (found, mut journal) = recover(directory.path()).unwrap();
        assert_eq!(found, records[..found.len()], "cut to {length}");
        seen.insert(found.len());
        write(&mut journal, &[vec![plain(b"later")]]);
        drop(journal);
        let (again, _) = recover(directory.path()).unwrap();
        assert_eq!(again, [&found[..], &[plain(b"later")]].concat());
    }
    assert_eq!(seen, (0..=records.len()).collect());
}

#[test]
fn an_unsynced_batch_may_be_torn_in_its_middle() {
    let (records, files) = small();
    let (name, mut bytes) = files.into_iter().next().unwrap();
    let directory = with_files(&[(name.clone(), bytes.clone())]);
    let (_, mut journal) = recover(directory.path()).unwrap();
    for letter in [b"a", b"b", b"c"] {
        journal.append(journal.next(), &plain(letter)).unwrap();
    }
    journal.write().unwrap();
    drop(journal);
    let torn = bytes.len() + format::ENTRY_BYTES;
    bytes = fs::read(directory.path().join(&name)).unwrap();
    bytes[torn] ^= 1;
    let directory = with_files(&[(name, bytes)]);
    assert_eq!(recover(directory.path()).unwrap().0, records);
}

#[test]
fn every_changed_byte_is_refused_or_harmless() {
    let (records, files) = small();
    for (file, (name, bytes)) in files.iter().enumerate() {
        for position in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut files = files.clone();
                files[file].1[position] ^= flip;
                let directory = with_files(&files);
                match recover(directory.path()) {
                    Ok((found, _)) => assert_eq!(found, records, "{name} byte {position}"),
                    Err(refused) => {
                        assert_eq!(read_all(directory.path()), files, "{refused}");
                    }
                }
            }
        }
    }
}

#[test]
fn damage_is_named_by_file_byte_and_record() {
    let (_, files) = small();
    let (name, mut bytes) = files.into_iter().next().unwrap();
    let damaged = format::HEADER_BYTES + format::ENTRY_BYTES;
    bytes[damaged] ^= 1;
    let directory = with_files(&[(name.clone(), bytes)]);
    let refused = recover(directory.path()).unwrap_err().to_string();
    let expected = format!(
        "{} is damaged at byte {}: record 0, which had been made durable, cannot be read. ",
        directory.path().join(name).display(),
        format::HEADER_BYTES,
    );
    assert!(refused.starts_with(&expected), "{refused}");
}

#[test]
fn a_block_that_rots_while_running_is_noticed_when_read() {
    let directory = prepared();
    let (_, mut journal) = recover(directory.path()).unwrap();
    write(&mut journal, &[vec![block(1, b"one")]]);
    let path = segment_path(directory.path(), Position(0));
    let mut bytes = fs::read(&path).unwrap();
    bytes[format::HEADER_BYTES + format::ENTRY_BYTES] ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = journal.load(Key::Block(Height(1))).unwrap_err();
    assert!(matches!(refused, JournalError::DamagedBlock { height: Height(1), .. }), "{refused}");
}

#[test]
fn a_missing_or_shortened_segment_is_refused() {
    let directory = prepared();
    let (_, mut journal) = recover(directory.path()).unwrap();
    let batches: Vec<Vec<Record>> = (0..12u8).map(|n| vec![plain(&[n; 90])]).collect();
    write(&mut journal, &batches);
    drop(journal);
    let files = read_all(directory.path());
    assert!(files.len() > 2);
    for missing in 0..files.len() - 1 {
        let mut without = files.clone();
        without.remove(missing);
        let refused = recover(with_files(&without).path()).unwrap_err();
        assert!(matches!(refused, JournalError::MissingSegment { .. }), "{refused}");
        let mut shortened = files.clone();
        shortened[missing].1.pop();
        let refused = recover(with_files(&shortened).path()).unwrap_err();
        assert!(
            matches!(refused, JournalError::Damaged { .. } | JournalError::MissingSegment { .. }),
            "{refused}"
        );
    }
}

#[test]
fn a_key_without_its_journal_is_noticed_and_stays_marked() {
    let directory = prepared();
    let recovery = Recovery::open(directory.path(), ORIGIN).unwrap();
    assert_eq!(recovery.opened(), Opened { fresh: true, journal_lost: false });
    drop(recovery.finish().unwrap());
    let recovery = Recovery::open(directory.path(), ORIGIN).unwrap();
    assert_eq!(recovery.opened(), Opened { fresh: false, journal_lost: false });
    drop(recovery);

    fs::remove_file(segment_path(directory.path(), Position(0))).unwrap();
    let lost = Opened { fresh: false, journal_lost: true };
    let recovery = Recovery::open(directory.path(), ORIGIN).unwrap();
    assert_eq!(recovery.opened(), lost);
    drop(recovery.finish().unwrap());
    let recovery = Recovery::open(directory.path(), ORIGIN).unwrap();
    assert_eq!(recovery.opened(), lost);
}

#[test]
fn another_network_or_key_is_refused() {
    let (_, files) = small();
    let directory = with_files(&files);
    for origin in
        [Origin { network: Hash([9; 32]), ..ORIGIN }, Origin { peer: PeerId([9; 32]), ..ORIGIN }]
    {
        let refused = Recovery::open(directory.path(), origin).unwrap().finish();
        assert!(matches!(refused, Err(JournalError::Foreign { origin: ORIGIN, .. })));
    }
}

#[test]
fn a_full_disk_is_told_apart() {
    let full = fs::OpenOptions::new().append(true).open("/dev/full");
    let Ok(mut full) = full else { return };
    let source = full.write_all(b"x").unwrap_err();
    let error = JournalError::io(Path::new("journal"), "write")(source);
    assert!(error.is_disk_full(), "{error}");
    let other = io::Error::from(io::ErrorKind::PermissionDenied);
    assert!(!JournalError::io(Path::new("journal"), "write")(other).is_disk_full());
}

#[test]
fn the_format_does_not_change_unnoticed() {
    let header = Header { origin: ORIGIN, after_loss: false, first: Position(3), salt: [4; 16] };
    let mut bytes = header.encode().to_vec();
    encode_record(&header.key(), Position(3), &plain(b"promise"), &mut bytes);
    encode_record(&header.key(), Position(4), &block(5, b"block"), &mut bytes);
    encode_mark(&header.key(), Position(5), &mut bytes);
    let lines: Vec<String> =
        bytes.chunks(32).map(|line| data_encoding::HEXLOWER.encode(line)).collect();
    assert_eq!(lines.join("\n"), include_str!("golden-1.hex").trim_end());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_records_survive_any_tear(
        batches in prop::collection::vec(
            prop::collection::vec((any::<Option<u8>>(), prop::collection::vec(any::<u8>(), 0..60)), 0..4),
            0..6,
        ),
        tear in any::<prop::sample::Index>(),
    ) {
        let batches: Vec<Vec<Record>> = batches
            .into_iter()
            .map(|batch| batch.into_iter().map(|(key, bytes)| Record {
                key: key.map(|height| Key::Block(Height(u64::from(height)))),
                bytes: bytes.into(),
            }).collect())
            .collect();
        let records = batches.concat();
        let directory = prepared();
        let (_, mut journal) = recover(directory.path()).unwrap();
        write(&mut journal, &batches);
        drop(journal);

        let mut files = read_all(directory.path());
        let last = &mut files.last_mut().unwrap().1;
        let tail = last.len() - format::HEADER_BYTES;
        last.truncate(format::HEADER_BYTES + tear.index(tail + 1));
        let (found, _) = recover(with_files(&files).path()).unwrap();
        prop_assert_eq!(&found, &records[..found.len()]);
    }
}
