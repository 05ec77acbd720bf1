use affiant_tlog::TreeSize;

use super::*;
use crate::ids::{BootId, SealNumber, SealPlace, SourceId, SpoolName};

fn header() -> BatchHeader {
    BatchHeader {
        source: SourceId::new("gw-7").unwrap(),
        spool: SpoolName::new("main").unwrap(),
        sent_utc_us: 1_795_330_441_123_456,
        old: TreeSize(7),
        newest: Some(SealPlace {
            boot: BootId::from_parts(1_795_330_441_123_456, 1),
            seal: SealNumber(3),
        }),
        pending_entries: 5,
        gap: None,
    }
}

fn framed(frames: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = BATCH_MAGIC.to_vec();
    for (kind, payload) in frames {
        bytes.push(*kind);
        bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes
}

fn read(batch: &[u8]) -> Result<Vec<Group<'_>>, BatchError> {
    BatchReader::new(batch)?.collect()
}

#[test]
fn what_is_written_is_read() {
    let mut writer = BatchWriter::new(&header());
    writer.blob(b"blob").unwrap();
    writer.group([&b"one"[..], b"two"], b"seal").unwrap();
    writer.group([&b"three"[..]], b"seal 2").unwrap();
    writer.blob(b"ahead").unwrap();
    let bytes = writer.finish();
    let mut reader = BatchReader::new(&bytes).unwrap();
    assert_eq!(reader.header(), &header());
    let groups: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(
        groups,
        [
            Group {
                entries: vec![b"one", b"two"],
                seal: b"seal",
                blobs: vec![b"blob"]
            },
            Group {
                entries: vec![b"three"],
                seal: b"seal 2",
                blobs: vec![]
            },
        ]
    );
    assert_eq!(reader.ahead(), [b"ahead"]);
}

#[test]
fn a_hello_has_no_groups() {
    let hello = BatchWriter::new(&BatchHeader {
        newest: None,
        gap: Some(AcceptedGap::new("spool was lost")),
        ..header()
    });
    assert!(hello.is_empty());
    let bytes = hello.finish();
    let reader = BatchReader::new(&bytes).unwrap();
    assert_eq!(
        reader.header().gap,
        Some(AcceptedGap::new("spool was lost"))
    );
    assert_eq!(reader.count(), 0);
}

#[test]
fn every_cut_is_refused_but_those_behind_a_group() {
    let mut writer = BatchWriter::new(&header());
    writer.group([&b"one"[..]], b"seal").unwrap();
    let whole = writer.finish();
    let behind_header = BATCH_MAGIC.len() + FRAME_HEAD_BYTES + header().to_json().len();
    for cut in 0..whole.len() {
        assert_eq!(read(&whole[..cut]).is_ok(), cut == behind_header, "{cut}");
    }
}

#[test]
fn frames_out_of_place_are_refused() {
    let json = header().to_json();
    type Frames<'a> = &'a [(u8, &'a [u8])];
    let cases: [(Frames<'_>, &str); 9] = [
        (&[], "batch does not begin with its header"),
        (&[(1, b"e")], "batch does not begin with its header"),
        (&[(0, b"{}")], "header of the batch is malformed"),
        (
            &[(0, &json), (0, &json)],
            "batch has a frame of kind 0 where none may be",
        ),
        (
            &[(0, &json), (4, b"")],
            "batch has a frame of kind 4 where none may be",
        ),
        (&[(0, &json), (2, b"s")], "batch has a seal without entries"),
        (
            &[(0, &json), (1, b"e"), (3, b"b"), (2, b"s")],
            "batch has a blob within a group",
        ),
        (
            &[(0, &json), (1, b"e")],
            "batch ends in entries without a seal",
        ),
        (
            &[(0, &json), (1, b""), (2, b"s")],
            "batch has an entry of 0 bytes",
        ),
    ];
    for (frames, expected) in cases {
        assert_eq!(read(&framed(frames)).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_long_group_travels_alone() {
    let long = vec![b'x'; 60_000];
    let many = || std::iter::repeat_n(long.as_slice(), 20);
    let mut writer = BatchWriter::new(&header());
    writer.group(many(), b"seal").unwrap();
    assert!(!writer.fits(1));
    assert_eq!(
        writer.group([&b"one"[..]], b"seal"),
        Err(BatchWriteError::Full)
    );
    let bytes = writer.finish();
    assert_eq!(read(&bytes).unwrap().len(), 1);
    let mut two = bytes;
    two.extend_from_slice(&framed(&[(1, b"one"), (2, b"seal")])[BATCH_MAGIC.len()..]);
    assert!(matches!(read(&two), Err(BatchError::TooMuch)));
}

#[test]
fn too_much_is_refused() {
    let blob = vec![0; BATCH_BYTES_MAX];
    let mut writer = BatchWriter::new(&header());
    assert_eq!(writer.blob(&blob), Err(BatchWriteError::Full));
    assert!(matches!(
        BatchReader::new(&[blob.as_slice(), b"0"].concat()),
        Err(BatchError::TooLong { .. })
    ));
    let groups = std::iter::repeat_n([(1_u8, &b"e"[..]), (2, b"s")], BATCH_GROUPS_MAX + 1);
    let json = header().to_json();
    let frames: Vec<(u8, &[u8])> = std::iter::once((0, json.as_slice()))
        .chain(groups.flatten())
        .collect();
    assert!(matches!(
        read(&framed(&frames)),
        Err(BatchError::TooManyGroups)
    ));
}

#[test]
fn a_newer_header_is_refused_by_its_version() {
    let json = String::from_utf8(header().to_json()).unwrap();
    let newer = json.replacen("\"v\":1", "\"v\":2,\"x\":0", 1);
    assert!(matches!(
        BatchHeader::parse(newer.as_bytes()),
        Err(BatchHeaderError::Version { found: 2 })
    ));
    let unknown = json.replacen("\"v\":1", "\"v\":1,\"x\":0", 1);
    assert_eq!(BatchHeader::parse(unknown.as_bytes()).unwrap(), header());
    let reason = "x".repeat(5000);
    let long = BatchHeader {
        gap: Some(AcceptedGap::new(&reason)),
        ..header()
    };
    assert_eq!(BatchHeader::parse(&long.to_json()).unwrap(), long);
    let longer = json.replacen(
        "\"v\":1",
        &format!("\"v\":1,\"gap\":{{\"reason\":\"{reason}"),
        1,
    );
    assert!(BatchHeader::parse(longer.as_bytes()).is_err());
    let local = json.replacen("Z\"", "+00:00\"", 1);
    assert!(BatchHeader::parse(local.as_bytes()).is_err());
    let huge = json.replacen("\"old\":7", "\"old\":9007199254740992", 1);
    assert!(BatchHeader::parse(huge.as_bytes()).is_err());
}
