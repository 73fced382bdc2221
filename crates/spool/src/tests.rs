//! The spool: what was acknowledged is there after every cut, in order, once; and no more waits than may.

use std::fs::OpenOptions;

use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use super::*;

const ROOMY: u64 = 1 << 20;

fn open(folder: &TempDir, drained: u64) -> Spool {
    Spool::open(folder.path(), ROOMY, drained).unwrap()
}

fn append(spool: &mut Spool, records: &[&str]) -> u64 {
    spool.append(records.iter().map(|record| record.as_bytes())).unwrap()
}

fn texts(spool: &Spool, position: u64) -> Vec<String> {
    let found = spool.read(position, usize::MAX, usize::MAX).unwrap();
    found.into_iter().map(|waiting| String::from_utf8(waiting.bytes).unwrap()).collect()
}

fn files(folder: &TempDir) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn what_was_appended_is_read_in_order_also_after_it_was_opened_again() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder, 0);
    append(&mut spool, &["one", "two"]);
    let end = append(&mut spool, &["", "four"]);
    for spool in [spool, open(&folder, 0)] {
        assert_eq!(texts(&spool, 0), ["one", "two", "", "four"]);
        assert_eq!((spool.end(), spool.waiting()), (end, end));
        let first = &spool.read(0, 1, 1 << 20).unwrap()[0];
        assert_eq!(texts(&spool, first.upto), ["two", "", "four"]);
        assert_eq!(spool.read(0, 9, 4).unwrap().len(), 2, "a page ends with the record that fills it");
        assert_eq!(spool.read(end, 9, 9).unwrap(), []);
    }
}

#[test]
fn a_file_that_was_cut_anywhere_keeps_every_whole_record_before_the_cut_and_goes_on() {
    let records = ["a", "", "three", "and a longer one"];
    let whole = TempDir::new().unwrap();
    let mut spool = open(&whole, 0);
    let ends: Vec<u64> = records.iter().map(|record| append(&mut spool, &[record])).collect();
    let bytes = fs::read(&files(&whole)[0]).unwrap();
    for cut in 0..=bytes.len() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(files(&whole)[0].file_name().unwrap()), &bytes[..cut]).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut as u64).count();
        let mut spool = open(&folder, 0);
        assert_eq!(texts(&spool, 0), records[..kept], "cut at {cut}");
        append(&mut spool, &["next"]);
        drop(spool);
        assert_eq!(texts(&open(&folder, 0), 0).last().unwrap(), "next", "cut at {cut}");
    }
}

#[test]
fn bytes_that_never_were_a_record_are_cut_away() {
    for garbage in [vec![0; 5_000], vec![0xff; 5_000], b"\x03\0\0\0wrongchkabc".to_vec()] {
        let folder = TempDir::new().unwrap();
        let end = append(&mut open(&folder, 0), &["one"]);
        let mut bytes = fs::read(&files(&folder)[0]).unwrap();
        bytes.extend(garbage);
        fs::write(&files(&folder)[0], bytes).unwrap();
        let spool = open(&folder, 0);
        assert_eq!((texts(&spool, 0), spool.end()), (vec!["one".to_owned()], end));
        assert_eq!(fs::metadata(&files(&folder)[0]).unwrap().len(), end);
    }
}

#[test]
fn a_full_spool_takes_nothing_until_some_is_drained() {
    let folder = TempDir::new().unwrap();
    let mut spool = Spool::open(folder.path(), 100, 0).unwrap();
    let first = append(&mut spool, &["0123456789"]);
    while spool.append([b"0123456789".as_slice()]).is_ok() {}
    let (waiting, end) = (spool.waiting(), spool.end());
    assert!(waiting <= 100);
    let refused = spool.append([b"0123456789".as_slice()]).unwrap_err();
    assert!(matches!(refused, Error::Full { most: 100, .. }), "{refused}");
    // All or none: a batch that fits in part is not taken in part.
    assert!(matches!(spool.append([b"".as_slice(), &[0; 90]]), Err(Error::Full { .. })));
    assert_eq!(spool.end(), end);
    spool.forget(first).unwrap();
    append(&mut spool, &["0123456789"]);
    assert_eq!(spool.waiting(), waiting);
    // It is as full when it is opened again.
    drop(spool);
    let mut spool = Spool::open(folder.path(), 100, first).unwrap();
    assert!(matches!(spool.append([b"0123456789".as_slice()]), Err(Error::Full { .. })));
}

#[test]
fn refuses_a_record_beyond_its_bound() {
    let folder = TempDir::new().unwrap();
    let refused = open(&folder, 0).append([vec![0; MAX_RECORD_BYTES + 1].as_slice()]);
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
}

#[test]
fn what_was_drained_leaves_the_disk_file_by_file() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder, 0);
    let record = "x".repeat(50_000);
    let ends: Vec<u64> = (0..10).map(|_| append(&mut spool, &[&record])).collect();
    let before = files(&folder).len();
    assert!(before > 3, "{before}");
    spool.forget(ends[6]).unwrap();
    assert!(files(&folder).len() < before);
    assert_eq!(texts(&spool, ends[6]).len(), 3);
    spool.forget(ends[9]).unwrap();
    assert_eq!((files(&folder).len(), spool.waiting()), (1, 0));
    drop(spool);
    let spool = open(&folder, ends[9]);
    assert_eq!((spool.end(), texts(&spool, ends[9]).len()), (ends[9], 0));
}

#[test]
fn a_folder_that_got_lost_goes_on_where_the_stream_was() {
    let folder = TempDir::new().unwrap();
    drop(open(&folder, 0));
    let mut spool = open(&folder, 5_000);
    assert_eq!((spool.end(), spool.waiting(), spool.aside()), (5_000, 0, None));
    append(&mut spool, &["new"]);
    assert_eq!(texts(&spool, 5_000), ["new"]);
    assert_eq!(texts(&open(&folder, 5_000), 5_000), ["new"]);
}

#[test]
fn what_waits_for_another_database_is_set_aside_and_not_dropped() {
    // Behind all that is here, and in the middle of a record.
    for drained in [5_000, 3, 20] {
        let folder = TempDir::new().unwrap();
        append(&mut open(&folder, 0), &["old", "older"]);
        let before = fs::read(&files(&folder)[0]).unwrap();
        for number in 1..=2 {
            let mut spool = open(&folder, drained);
            let aside = spool.aside().expect("it is said").clone();
            assert_eq!((aside.files.len(), aside.bytes), (1, before.len() as u64), "{drained}");
            assert_eq!(aside.records, 2);
            assert!(aside.files[0].to_str().unwrap().ends_with(&format!(".spool.aside-{number}")));
            assert_eq!(fs::read(&aside.files[0]).unwrap(), before);
            assert_eq!((spool.start(), spool.end(), spool.waiting()), (drained, drained, 0));
            append(&mut spool, &["new"]);
            drop(spool);
            let spool = open(&folder, drained);
            assert_eq!((texts(&spool, drained), spool.aside()), (vec!["new".to_owned()], None));
            drop(spool);
            // The same again; what stands aside stays.
            fs::remove_file(files(&folder).iter().find(|path| path.extension().unwrap() == "spool").unwrap())
                .unwrap();
            fs::write(folder.path().join(format!("{:020}.spool", 0)), &before).unwrap();
        }
    }
}

#[test]
fn a_database_that_is_behind_gets_all_that_is_still_here() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder, 0);
    let first = append(&mut spool, &["one"]);
    append(&mut spool, &["two"]);
    drop(spool);
    assert_eq!(texts(&open(&folder, first), first), ["two"]);
    for behind in [0, first] {
        let spool = open(&folder, behind);
        assert_eq!((texts(&spool, behind).last().unwrap().as_str(), spool.aside()), ("two", None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn one_wrong_byte_costs_the_last_record_or_is_told(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8),
        at in any::<Index>(),
        flip in 1u8..,
    ) {
        let folder = TempDir::new().unwrap();
        let mut spool = open(&folder, 0);
        spool.append(records.iter().map(Vec::as_slice)).unwrap();
        drop(spool);
        let mut bytes = fs::read(&files(&folder)[0]).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(&files(&folder)[0], &bytes).unwrap();
        match Spool::open(folder.path(), ROOMY, 0) {
            Ok(spool) => {
                let found = spool.read(0, usize::MAX, usize::MAX).unwrap();
                let found: Vec<_> = found.into_iter().map(|waiting| waiting.bytes).collect();
                prop_assert_eq!(&found[..], &records[..records.len() - 1]);
            }
            Err(error) => {
                prop_assert!(matches!(error, Error::Damaged { .. }), "{}", error);
                prop_assert_eq!(&fs::read(&files(&folder)[0]).unwrap(), &bytes, "nothing was cut");
            }
        }
    }
}

#[test]
fn damage_before_the_end_is_told_and_not_passed_over() {
    let folder = TempDir::new().unwrap();
    let mut spool = open(&folder, 0);
    let record = "x".repeat(MAX_RECORD_BYTES / 2);
    spool = Spool { most: u64::MAX, ..spool };
    for _ in 0..40 {
        append(&mut spool, &[&record]);
    }
    drop(spool);
    let first = &files(&folder)[0];
    let file = OpenOptions::new().write(true).open(first).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"y", 700_000).unwrap();
    let spool = open(&folder, 0);
    assert_eq!(spool.read(0, 1, 1).unwrap().len(), 1);
    let refused = spool.read(0, 9, usize::MAX).unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("move it away"), "{refused}");
    // Shorter than the next one's name says.
    file.set_len(100).unwrap();
    assert!(matches!(Spool::open(folder.path(), ROOMY, 0), Err(Error::Damaged { .. })));
    fs::remove_file(first).unwrap();
    let spool = open(&folder, 0);
    assert!(spool.start() > 0);
    assert!(!texts(&spool, 0).is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Vec<u8>>),
    /// Reads so many and notes elsewhere that they are written.
    Drain(usize),
    Forget,
    /// The process ends; of what was not acknowledged so many bytes reached the disk.
    Kill {
        torn: Option<(Vec<u8>, Index)>,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let record = || prop::collection::vec(any::<u8>(), 0..10_000);
    prop_oneof![
        3 => prop::collection::vec(record(), 1..5).prop_map(Step::Append),
        2 => (1usize..6).prop_map(Step::Drain),
        1 => Just(Step::Forget),
        2 => prop::option::of((record(), any::<Index>())).prop_map(|torn| Step::Kill { torn }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn kills_anywhere_lose_nothing_acknowledged_and_double_nothing(steps in prop::collection::vec(any_step(), 1..40)) {
        let folder = TempDir::new().unwrap();
        let mut spool = open(&folder, 0);
        let (mut acknowledged, mut drained, mut position) = (Vec::new(), Vec::new(), 0);
        for step in steps {
            match step {
                Step::Append(records) => match spool.append(records.iter().map(Vec::as_slice)) {
                    Ok(_) => acknowledged.extend(records),
                    Err(error) => prop_assert!(matches!(error, Error::Full { .. }), "{}", error),
                },
                Step::Drain(most) => {
                    for waiting in spool.read(position, most, usize::MAX).unwrap() {
                        position = waiting.upto;
                        drained.push(waiting.bytes);
                    }
                }
                Step::Forget => spool.forget(position).unwrap(),
                Step::Kill { torn } => {
                    drop(spool);
                    if let Some((record, at)) = torn {
                        let mut bytes = Vec::new();
                        frame::write(&mut bytes, &record).unwrap();
                        bytes.truncate(at.index(bytes.len()));
                        let last = files(&folder).pop().unwrap();
                        let mut found = fs::read(&last).unwrap();
                        found.extend(bytes);
                        fs::write(&last, found).unwrap();
                    }
                    spool = open(&folder, position);
                }
            }
            prop_assert_eq!(&drained[..], &acknowledged[..drained.len()]);
        }
        let rest = spool.read(position, usize::MAX, usize::MAX).unwrap();
        drained.extend(rest.into_iter().map(|waiting| waiting.bytes));
        prop_assert!(drained == acknowledged, "{} of {}", drained.len(), acknowledged.len());
    }
}
