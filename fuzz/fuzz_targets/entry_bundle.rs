//! Entry bundles from any bytes, of any width: what parses is all of them.
#![no_main]

use affiant_tlog::bundle::{self, Bundle};
use affiant_tlog::tile::BundleId;

fn fuzz(data: &[u8]) {
    let Some((&width, data)) = data.split_first() else { return };
    let Some(id) = BundleId::new(0, u16::from(width) + 1) else { return };
    if let Ok(bundle) = Bundle::parse(id, data) {
        assert_eq!(bundle.entries().len(), usize::from(id.width()));
        let mut file = Vec::new();
        for entry in bundle.entries() {
            bundle::push(&mut file, entry).expect("an entry that was read has a length that fits");
        }
        assert_eq!(file, data);
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz(data));
