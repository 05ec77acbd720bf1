//! `subscriptions/listen` (SEP-2575): the open streams and what is sent on them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rmcp::service::{SubscriptionContext, SubscriptionSink};
use tokio::sync::Mutex;

/// The streams that are open now.
#[derive(Default)]
pub(crate) struct Subscriptions {
    next: AtomicU64,
    open: Mutex<HashMap<u64, SubscriptionSink>>,
}

impl Subscriptions {
    /// Keeps the stream open until the client leaves.
    pub(crate) async fn hold(&self, context: SubscriptionContext) {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().await.insert(key, context.sink().clone());
        context.cancelled().await;
        self.open.lock().await.remove(&key);
    }

    /// Tells every stream that asked for it that the tools changed.
    pub(crate) async fn tools_changed(&self) {
        for sink in self.sinks().await {
            // a stream that did not ask, or is gone, needs no news
            let _ = sink.notify_tool_list_changed().await;
        }
    }

    /// Tells every stream that asked for it that the prompts changed.
    pub(crate) async fn prompts_changed(&self) {
        for sink in self.sinks().await {
            // as above
            let _ = sink.notify_prompt_list_changed().await;
        }
    }

    async fn sinks(&self) -> Vec<SubscriptionSink> {
        self.open.lock().await.values().cloned().collect()
    }
}
