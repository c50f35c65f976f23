use std::fs;

use bitcraps_protocol::identity::PeerId;
use bitcraps_protocol::wire::Hash;
use proptest::prelude::*;
use tempfile::TempDir;

use super::format::{Header, encode_mark, encode_record};
use super::*;

const ORIGIN: Origin = Origin { network: Hash([1; 32]), peer: PeerId([2; 32]) };

fn plain(bytes: &[u8]) -> Record {
    Record { label: Label::Plain, bytes: Bytes::copy_from_slice(bytes) }
}

fn block(height: u64, bytes: &[u8]) -> Record {
    Record { label: Label::Block(Height(height)), bytes: Bytes::copy_from_slice(bytes) }
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
        "{} is damaged at byte {}: record 0, which had been made durable, cannot be read; what is \
         before it is intact. ",
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
    let goldens = [(1, include_str!("golden-1.hex")), (2, include_str!("golden-2.hex"))];
    for (version, golden) in goldens {
        let (first, salt) = (Position(3), [4; 16]);
        let header = Header { version, origin: ORIGIN, after_loss: false, first, salt };
        let mut bytes = header.encode().to_vec();
        encode_record(&header.key(), Position(3), &plain(b"promise"), &mut bytes);
        encode_record(&header.key(), Position(4), &block(5, b"block"), &mut bytes);
        encode_mark(&header.key(), Position(5), &mut bytes);
        if version == 2 {
            encode_record(&header.key(), Position(5), &base(5, true), &mut bytes);
            encode_record(&header.key(), Position(6), &base(9, false), &mut bytes);
            encode_record(&header.key(), Position(7), &whole(9), &mut bytes);
        }
        let lines: Vec<String> =
            bytes.chunks(32).map(|line| data_encoding::HEXLOWER.encode(line)).collect();
        assert_eq!(lines.join("\n"), golden.trim_end(), "version {version}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_a_power_cut_leaves_holds_everything_that_was_synced(
        synced in 0_u8..5,
        written in 0_u8..5,
        chances in prop::collection::vec(any::<u64>(), 1..16),
    ) {
        let directory = prepared();
        let (_, mut journal) = recover(directory.path()).unwrap();
        let batches: Vec<_> = (0..synced).map(|n| vec![plain(&[n; 30])]).collect();
        write(&mut journal, &batches);
        // What waits in memory is lost anyway: one more sync whose end nobody heard of.
        let late: Vec<_> = (0..written).map(|n| plain(&[n; 30])).collect();
        late.iter().for_each(|record| journal.append(journal.next(), record).unwrap());
        journal.write().unwrap();
        drop(journal);
        let mut chances = chances.into_iter().cycle();
        cut_power(directory.path(), |most| chances.next().unwrap() % most).unwrap();
        let (found, _) = recover(directory.path()).unwrap();
        let all = [batches.concat(), late].concat();
        prop_assert!(found.len() >= usize::from(synced));
        prop_assert_eq!(&found, &all[..found.len()]);
    }

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
                label: key
                    .map_or(Label::Plain, |height| Label::Block(Height(u64::from(height)))),
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

fn base(height: u64, follows: bool) -> Record {
    let label = Label::Base { height: Height(height), follows };
    Record { label, bytes: Bytes::from(format!("base {height}")) }
}

fn whole(height: u64) -> Record {
    Record { label: Label::Whole(Height(height)), bytes: Bytes::from(format!("whole {height}")) }
}

/// Blocks `1..=last`, a base after every tenth, whose snapshot is whole three blocks later.
fn with_bases(last: u64) -> Vec<Vec<Record>> {
    let mut batches = Vec::new();
    for height in 1..=last {
        let mut batch = vec![plain(b"vote"), block(height, &height.to_le_bytes())];
        if height.is_multiple_of(10) {
            batch.push(base(height, true));
        }
        if height > 10 && height % 10 == 3 {
            batch.push(whole(height - 3));
        }
        batches.push(batch);
    }
    batches
}

fn first_read(directory: &Path) -> Record {
    Recovery::open(directory, ORIGIN).unwrap().next().unwrap()
}

#[test]
fn a_start_reads_from_the_newest_base_whose_snapshot_is_whole() {
    let directory = prepared();
    let (_, mut journal) = recover(directory.path()).unwrap();
    write(&mut journal, &with_bases(62));
    let next = journal.next();
    drop(journal);
    assert_eq!(first_read(directory.path()), base(50, true));

    let (records, mut journal) = recover(directory.path()).unwrap();
    let all = with_bases(62).concat();
    let begins = all.iter().position(|record| *record == base(50, true)).unwrap();
    assert_eq!(records, all[begins..]);
    assert_eq!(journal.next(), next);
    // What was not read is there all the same.
    assert_eq!(journal.heights(Height(1), 100).len(), 62);
    for height in 1..=62_u64 {
        let loaded = journal.load(Key::Block(Height(height))).unwrap();
        assert_eq!(loaded, Some(Bytes::copy_from_slice(&height.to_le_bytes())), "{height}");
    }
    write(&mut journal, &[vec![whole(60)]]);
    drop(journal);
    assert_eq!(first_read(directory.path()), base(60, true));
    let whole = Recovery::open_whole(directory.path(), ORIGIN).unwrap();
    assert_eq!(whole.count(), all.len() + 1);
}

#[test]
fn every_changed_byte_of_a_store_with_snapshots_is_found_or_harmless() {
    let directory = prepared();
    let (_, mut journal) = recover(directory.path()).unwrap();
    write(&mut journal, &with_bases(13));
    drop(journal);
    let all = with_bases(13).concat();
    let begins = all.iter().position(|record| *record == base(10, true)).unwrap();
    let files = read_all(directory.path());
    assert!(files.len() > 3, "{}", files.len());
    let (mut unread, mut harmless) = (0, 0);
    for (file, (name, bytes)) in files.iter().enumerate() {
        for position in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut files = files.clone();
                files[file].1[position] ^= flip;
                let directory = with_files(&files);
                let mut seen = Vec::new();
                let findings = check(directory.path(), |record| seen.push(record.clone()));
                let is_sound = findings.is_ok_and(|findings| findings.damage.is_none());
                assert!(!is_sound || seen == all, "{name} byte {position}: silently accepted");
                assert_eq!(read_all(directory.path()), files, "a check changes nothing");
                harmless += u64::from(is_sound);
                // A start does not read what lies before the base; whoever asks for it finds out.
                let Ok((records, mut journal)) = recover(directory.path()) else {
                    assert!(!is_sound);
                    continue;
                };
                assert_eq!(records, all[begins..], "{name} byte {position}");
                let mut found = is_sound;
                for height in 1..=13_u64 {
                    match journal.load(Key::Block(Height(height))) {
                        Ok(block) => assert_eq!(block.as_deref(), Some(&height.to_le_bytes()[..])),
                        Err(_) => found = true,
                    }
                }
                unread += u64::from(!found);
            }
        }
    }
    // A promise from before the base is read by nobody but a check.
    assert!(harmless > 0 && unread > 0);
}

#[test]
fn a_fetched_state_leaves_a_gap_that_is_known_without_reading() {
    let directory = prepared();
    let (_, mut journal) = recover(directory.path()).unwrap();
    write(&mut journal, &[vec![block(1, b"1"), block(2, b"2")]]);
    write(&mut journal, &[vec![base(40, false), whole(40)], vec![block(41, b"41")]]);
    write(&mut journal, &[vec![block(42, b"42"), base(42, true)], vec![whole(42)]]);
    drop(journal);
    let (records, mut journal) = recover(directory.path()).unwrap();
    assert_eq!(records, [base(42, true), whole(42)]);
    let heights = |from, journal: &Journal| journal.heights(Height(from), 100);
    assert_eq!(heights(1, &journal), [1, 2].map(Height));
    assert_eq!(heights(3, &journal), [41, 42].map(Height));
    assert_eq!(journal.load(Key::Block(Height(41))).unwrap(), Some(Bytes::from_static(b"41")));
    assert_eq!(journal.load(Key::Block(Height(30))).unwrap(), None);
}

#[test]
fn history_is_removed_once_a_snapshot_stands_on_what_is_kept() {
    let directory = prepared();
    let recovery = Recovery::open(directory.path(), ORIGIN).unwrap().keeping(Some(25));
    let mut journal = recovery.finish().unwrap();
    for (height, batch) in (1..).zip(with_bases(99)) {
        write(&mut journal, &[batch]);
        let kept = journal.heights(Height(1), 1_000);
        let least = u64::min(height, 25);
        assert!(kept.len() as u64 >= least, "{} of {height}", kept.len());
        assert!(kept.len() < 25 + 25, "{} of {height}", kept.len());
        assert_eq!(kept.last(), Some(&Height(height)));
        let oldest = Key::Block(kept[0]);
        assert!(journal.load(oldest).unwrap().is_some());
    }
    drop(journal);
    let (records, mut journal) = recover(directory.path()).unwrap();
    assert_eq!(records[0], base(90, true));
    assert_eq!(journal.heights(Height(1), 1)[0], Height(61));
    assert_eq!(journal.load(Key::Block(Height(60))).unwrap(), None);
    assert!(journal.load(Key::Block(Height(61))).unwrap().is_some());
    drop(journal);

    // A removal that a crash interrupted leaves a part of the oldest segments.
    let segments = segments(directory.path()).unwrap();
    assert!(segments[0] > Position(0));
    let leftover = segment_path(directory.path(), Position(segments[0].0 - 1));
    fs::copy(segment_path(directory.path(), *segments.last().unwrap()), &leftover).unwrap();
    assert!(recover(directory.path()).is_ok());
}

#[test]
fn segments_of_the_first_version_are_read_and_followed_by_new_ones() {
    let directory = prepared();
    let header =
        Header { version: 1, origin: ORIGIN, after_loss: false, first: Position(0), salt: [4; 16] };
    let mut bytes = header.encode().to_vec();
    encode_record(&header.key(), Position(0), &block(1, b"one"), &mut bytes);
    encode_mark(&header.key(), Position(1), &mut bytes);
    fs::write(segment_path(directory.path(), Position(0)), bytes).unwrap();
    let (records, mut journal) = recover(directory.path()).unwrap();
    assert_eq!(records, [block(1, b"one")]);
    write(&mut journal, &[vec![block(2, b"two")]]);
    drop(journal);
    assert_eq!(segments(directory.path()).unwrap(), [Position(0), Position(1)]);
    let (records, _) = recover(directory.path()).unwrap();
    assert_eq!(records, [block(1, b"one"), block(2, b"two")]);
}

/// A journal of several segments with ten blocks, a promise before each.
fn long() -> TempDir {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("journal");
    prepare(&directory).unwrap();
    let (_, mut journal) = recover(&directory).unwrap();
    let batches: Vec<Vec<Record>> =
        (1..=10u8).map(|n| vec![plain(&[n]), block(u64::from(n), &[n; 40])]).collect();
    write(&mut journal, &batches);
    parent
}

#[test]
fn a_sound_journal_is_found_sound_and_a_repair_leaves_it_alone() {
    let parent = long();
    let directory = parent.path().join("journal");
    let before = read_all(&directory);
    let mut seen = 0;
    let findings = check(&directory, |_| seen += 1).unwrap();
    assert!(findings.damage.is_none());
    assert_eq!((seen, findings.records, findings.blocks), (20, 20, 10));
    assert_eq!(findings.newest_block, Some(Height(10)));
    assert_eq!((findings.origin, findings.after_loss), (Some(ORIGIN), false));
    assert_eq!(findings.segments, before.len() as u64);
    assert!(repair(&directory, false).unwrap().is_none());
    assert_eq!(read_all(&directory), before);
}

#[test]
fn a_repair_keeps_the_blocks_before_the_damage_and_says_that_promises_are_lost() {
    let parent = long();
    let directory = parent.path().join("journal");
    let files = read_all(&directory);
    for file in 0..files.len() - 1 {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("journal");
        fs::create_dir(&directory).unwrap();
        for (name, bytes) in &files {
            fs::write(directory.join(name), bytes).unwrap();
        }
        let (name, mut bytes) = files[file].clone();
        let last = bytes.len() - 1 - format::ENTRY_BYTES;
        bytes[last] ^= 1;
        fs::write(directory.join(name), bytes).unwrap();
        let damaged = read_all(&directory);

        let would = repair(&directory, true).unwrap().unwrap();
        assert_eq!(read_all(&directory), damaged, "a dry run changes nothing");
        let did = repair(&directory, false).unwrap().unwrap();
        assert_eq!(did.findings.blocks, would.findings.blocks);
        assert_eq!(read_all(&did.aside), damaged);

        let kept = did.findings.blocks;
        let recovery = Recovery::open(&directory, ORIGIN).unwrap();
        assert_eq!(recovery.opened(), Opened { fresh: false, journal_lost: true });
        let records: Vec<Record> = recovery.collect();
        let expected: Vec<Record> = (1..=kept).map(|n| block(n, &[n as u8; 40])).collect();
        assert_eq!(records, expected);
    }
}

#[test]
fn a_journal_without_its_beginning_is_put_aside_whole() {
    let parent = long();
    let directory = parent.path().join("journal");
    let first = segment_path(&directory, Position(0));
    fs::write(&first, b"rubbish").unwrap();
    let repaired = repair(&directory, false).unwrap().unwrap();
    assert_eq!(repaired.findings.records, 0);
    assert!(!directory.exists() && repaired.aside.exists());
    let lost = Opened { fresh: false, journal_lost: true };
    assert_eq!(Recovery::open(&directory, ORIGIN).unwrap().opened(), lost);
}

#[test]
fn blocks_between_the_known_ones_are_found_by_reading_on() {
    let parent = long();
    let directory = parent.path().join("journal");
    let (_, mut journal) = recover(&directory).unwrap();
    let mut sparse = Index::new();
    for height in [4, 8, 10] {
        sparse.note(Height(height), journal.blocks.before(Height(height)).unwrap().1);
    }
    journal.blocks = sparse;
    for height in 1..=10_u8 {
        let loaded = journal.load(Key::Block(Height(u64::from(height)))).unwrap();
        assert_eq!(loaded, Some(Bytes::copy_from_slice(&[height; 40])));
    }
    assert_eq!(journal.load(Key::Block(Height(0))).unwrap(), None);
    assert_eq!(journal.load(Key::Block(Height(11))).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A power cut keeps what was synced; of what was written since, each sector may be there, or
    /// be zeros, or what was there before, or the file may end early.
    #[test]
    fn a_power_cut_loses_nothing_that_was_reported_durable(
        sizes in prop::collection::vec(prop::collection::vec(0_usize..90, 1..4), 1..6),
        unsynced in prop::collection::vec(0_usize..90, 0..6),
        fate in prop::collection::vec(0_u8..3, 256),
    ) {
        const SECTOR: usize = 16;
        let directory = prepared();
        let (_, mut journal) = recover(directory.path()).unwrap();
        let batches: Vec<Vec<Record>> = sizes
            .iter()
            .map(|sizes| sizes.iter().map(|size| plain(&vec![0xab; *size])).collect())
            .collect();
        write(&mut journal, &batches);
        // The mark behind the last batch is not synced.
        let marked = journal.length > format::HEADER_BYTES as u64;
        let synced = journal.length as usize - if marked { format::ENTRY_BYTES } else { 0 };
        for size in &unsynced {
            journal.append(journal.next(), &plain(&vec![0xcd; *size])).unwrap();
        }
        journal.write().unwrap();
        let path = journal.path.clone();
        drop(journal);

        let mut bytes = fs::read(&path).unwrap();
        for (sector, fate) in (synced..bytes.len()).step_by(SECTOR).zip(&fate) {
            let end = bytes.len().min(sector + SECTOR);
            match fate {
                0 => {}
                1 => bytes[sector..end].fill(0),
                _ => {
                    bytes.truncate(sector);
                    break;
                }
            }
        }
        fs::write(&path, bytes).unwrap();
        let durable = batches.concat();
        let (found, _) = recover(directory.path()).unwrap();
        prop_assert_eq!(&found[..durable.len()], &durable[..]);
    }
}
