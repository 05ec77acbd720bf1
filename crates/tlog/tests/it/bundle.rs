//! Entry bundles: what is written is read, and nothing else.

use affiant_tlog::bundle::{
    BUNDLE_BYTES_MAX, Bundle, BundleWriter, ENTRY_BYTES_MAX, EntryTooLong, ParseBundleError, push,
};
use affiant_tlog::leaf_hash;
use affiant_tlog::tile::BundleId;
use proptest::prelude::*;

fn id(index: u64, width: u16) -> BundleId {
    BundleId::new(index, width).unwrap()
}

#[test]
fn lengths_are_big_endian() {
    let mut file = Vec::new();
    push(&mut file, &[7; 258]).unwrap();
    push(&mut file, b"").unwrap();
    assert_eq!(file.len(), 2 + 258 + 2);
    assert_eq!((file[0], file[1], file[2]), (1, 2, 7));
    assert_eq!(file[260..], [0, 0]);
}

#[test]
fn an_entry_may_have_all_that_the_length_can_say() {
    let mut file = Vec::new();
    let largest = vec![b'x'; ENTRY_BYTES_MAX];
    for _ in 0..256 {
        push(&mut file, &largest).unwrap();
    }
    assert_eq!(file.len(), BUNDLE_BYTES_MAX);
    let bundle = Bundle::parse(id(0, 256), &file).unwrap();
    assert_eq!(bundle.entries()[255], largest);

    let found_bytes = ENTRY_BYTES_MAX + 1;
    let error = push(&mut file, &vec![0; found_bytes]);
    assert_eq!(error, Err(EntryTooLong { found_bytes }));
    assert_eq!(file.len(), BUNDLE_BYTES_MAX);
    assert!(BundleWriter::new().append(&vec![0; found_bytes]).is_err());
}

#[test]
fn bundles_of_another_width_are_refused() {
    let mut file = Vec::new();
    push(&mut file, b"first").unwrap();
    push(&mut file, b"second").unwrap();
    assert_eq!(
        Bundle::parse(id(3, 1), &file),
        Err(ParseBundleError::Trailing {
            bundle: id(3, 1),
            found_bytes: 8
        })
    );
    assert_eq!(
        Bundle::parse(id(3, 3), &file),
        Err(ParseBundleError::Truncated {
            bundle: id(3, 3),
            number: 2
        })
    );
    for cut in 0..file.len() {
        assert!(Bundle::parse(id(3, 2), &file[..cut]).is_err(), "{cut}");
    }
    let bundle = Bundle::parse(id(3, 2), &file).unwrap();
    assert_eq!(
        bundle.leaf_hashes(),
        [leaf_hash(b"first"), leaf_hash(b"second")]
    );
}

#[test]
fn a_full_bundle_is_not_resumed() {
    let mut writer = BundleWriter::new();
    for _ in 0..256 {
        writer.append(b"x").unwrap();
    }
    let files = writer.drain();
    assert_eq!(files.len(), 1);
    let bundle = Bundle::parse(files[0].0, &files[0].1).unwrap();
    assert!(BundleWriter::resume(&bundle).is_none());
    let mut resumed = BundleWriter::resume_behind(1);
    resumed.append(b"y").unwrap();
    assert_eq!(resumed.drain(), [(id(1, 1), b"\0\x01y".to_vec())]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn entries_come_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..=256)) {
        let mut file = Vec::new();
        for entry in &entries {
            push(&mut file, entry).unwrap();
        }
        let width = u16::try_from(entries.len()).unwrap();
        let bundle = Bundle::parse(id(0, width), &file).unwrap();
        prop_assert_eq!(bundle.entries(), entries);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, width in 1_u16..=256) {
        if let Ok(bundle) = Bundle::parse(id(0, width), &bytes) {
            let mut file = Vec::new();
            for entry in bundle.entries() {
                push(&mut file, entry).unwrap();
            }
            prop_assert_eq!(file, bytes);
        }
    }

    #[test]
    fn the_writer_resumes_anywhere(steps in prop::collection::vec(0_usize..400, 1..6)) {
        let mut whole = BundleWriter::new();
        let mut resumed = BundleWriter::new();
        let mut count = 0_usize;
        for step in steps {
            for _ in 0..step {
                let entry = count.to_string();
                whole.append(entry.as_bytes()).unwrap();
                resumed.append(entry.as_bytes()).unwrap();
                count += 1;
            }
            let files = whole.drain();
            prop_assert_eq!(&resumed.drain(), &files);
            if let Some((id, file)) = files.last() {
                let bundle = Bundle::parse(*id, file).unwrap();
                resumed = BundleWriter::resume(&bundle)
                    .unwrap_or_else(|| BundleWriter::resume_behind(id.index() + 1));
            }
        }
    }
}
