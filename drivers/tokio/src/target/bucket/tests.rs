use bitcraps_host::journal::Origin;
use bitcraps_protocol::block::Height;
use bitcraps_protocol::identity::PeerId;
use bitcraps_protocol::wire::Hash;
use object_store::memory::InMemory;

use super::*;

const NAME: &str = "10-0-7.backup";

fn bucket() -> Bucket {
    let store = Arc::new(InMemory::new());
    let (place, prefix) = ("s3://bucket/prefix".to_owned(), Key::from("prefix"));
    Bucket { place, prefix, store, part_bytes: 100 }
}

fn header(created: u64) -> Header {
    let origin = Origin { network: Hash([1; 32]), peer: PeerId([2; 32]) };
    Header { origin, created, after: Height(0), salt: [3; 16] }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|number| u8::try_from(number % 251).unwrap()).collect()
}

fn write(bucket: &Bucket, created: u64, count: usize, name: Option<&str>) {
    let mut upload = bucket.begin(&header(created)).unwrap();
    upload.write_all(&bytes(count)).unwrap();
    match name {
        Some(name) => upload.finish(name).unwrap(),
        // As a crash leaves it.
        None => std::mem::forget(upload),
    }
}

fn content(bucket: &Bucket, name: &str) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    bucket.open(name).map_err(io::Error::other)?.read_to_end(&mut content)?;
    Ok(content)
}

fn objects(bucket: &Bucket) -> usize {
    let count = |key: &Key| wait(bucket.store.list_with_delimiter(Some(key))).unwrap();
    let top = count(&bucket.prefix);
    let below = top.common_prefixes.iter().map(|folder| count(folder).objects.len());
    top.objects.len() + below.sum::<usize>()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_in_parts_is_read_whole() {
    let bucket = bucket();
    for count in [0, 1, 99, 100, 101, 250, 300] {
        write(&bucket, 10, count, Some(NAME));
        assert_eq!(content(&bucket, NAME).unwrap(), bytes(count));
        let header = Some(header(10).encode());
        let found = Found { name: NAME.into(), header, bytes: count as u64 };
        let listed: Vec<Found> = bucket.list().unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(listed, [found]);
        assert_eq!(bucket.leftovers(u64::MAX).unwrap(), Vec::<String>::new());
        bucket.remove(NAME).unwrap();
        assert_eq!(objects(&bucket), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_finished_is_in_no_list_and_can_be_removed() {
    let bucket = bucket();
    write(&bucket, 10, 300, Some(NAME));
    write(&bucket, 20, 300, None);
    assert_eq!(bucket.list().unwrap().len(), 1);
    assert_eq!(bucket.leftovers(20).unwrap(), Vec::<String>::new(), "it may still be written");
    let left = bucket.leftovers(21).unwrap();
    assert_eq!(left, ["20-03030303030303030303030303030303.parts"]);
    bucket.remove_leftover(&left[0]).unwrap();
    assert_eq!((bucket.leftovers(21).unwrap().len(), objects(&bucket)), (0, 4));
    assert_eq!(content(&bucket, NAME).unwrap(), bytes(300));

    let mut dropped = bucket.begin(&header(30)).unwrap();
    dropped.write_all(&bytes(300)).unwrap();
    assert_eq!(objects(&bucket), 7);
    drop(dropped);
    assert_eq!(objects(&bucket), 4, "it cleans up");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_parts_and_wrong_lengths_are_noticed() {
    let bucket = bucket();
    let folder = bucket.key(&folder(&header(10)));
    for number in 0..3 {
        write(&bucket, 10, 300, Some(NAME));
        let key = part(&folder, number);
        wait(bucket.store.put(&key, bytes(99).into())).unwrap();
        assert_eq!(content(&bucket, NAME).unwrap_err().kind(), io::ErrorKind::InvalidData);
        wait(bucket.store.delete(&key)).unwrap();
        assert_eq!(content(&bucket, NAME).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_index_that_is_not_whole_or_means_another_length_is_refused() {
    let bucket = bucket();
    write(&bucket, 10, 300, Some(NAME));
    let key = bucket.key(NAME);
    let index = wait(read(&*bucket.store, &key)).unwrap();
    for length in 0..index.len() {
        wait(bucket.store.put(&key, index.slice(..length).into())).unwrap();
        assert!(content(&bucket, NAME).is_err(), "cut to {length}");
        assert!(bucket.leftovers(u64::MAX).is_err(), "whose the parts are cannot be said");
    }
    // What the header says beyond its folder is compared with what the first part says.
    for position in HEADER_BYTES..index.len() {
        let mut changed = index.to_vec();
        changed[position] ^= 1;
        wait(bucket.store.put(&key, changed.into())).unwrap();
        assert!(content(&bucket, NAME).is_err(), "byte {position}");
    }
}
