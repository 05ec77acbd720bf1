//! Batches from any bytes: what can be read to its end can be written again, and is then the same.
#![no_main]

use affiant_entry::batch::{BatchReader, BatchWriter};

fn fuzz(data: &[u8]) {
    let Ok(mut reader) = BatchReader::new(data) else {
        return;
    };
    let mut writer = BatchWriter::new(reader.header());
    let header = reader.header().clone();
    let Ok(groups) = reader.by_ref().collect::<Result<Vec<_>, _>>() else {
        return;
    };
    for group in &groups {
        for blob in &group.blobs {
            writer.blob(blob).expect("it was in a batch");
        }
        writer
            .group(group.entries.iter().copied(), group.seal)
            .expect("it was in a batch");
    }
    let ahead = reader.ahead().to_vec();
    for blob in &ahead {
        writer.blob(blob).expect("it was in a batch");
    }
    let bytes = writer.finish();
    let mut again = BatchReader::new(&bytes).expect("it was written");
    assert_eq!(again.header(), &header);
    assert_eq!(
        again
            .by_ref()
            .map(|group| group.expect("it was written"))
            .collect::<Vec<_>>(),
        groups
    );
    assert_eq!(again.ahead(), ahead);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
