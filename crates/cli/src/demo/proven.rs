//! One entry, proven to somebody who trusts nobody here.

use std::ffi::OsStr;

use fs_err as fs;
use serde_json::Value;

use super::script::REFUSED_TOOL;
use super::shipping::{Away, verify_args};
use super::{Demo, Told, broken, bytes, evidence, len};
use crate::error::ExpectedError;
use crate::printer::clean;

/// The file of the proof.
const PROOF: &str = "one.proof";

impl Demo<'_> {
    /// The end of the refused call; to be asked for before its room in the spool is given back.
    pub(super) fn refused_call(&self) -> Told<String> {
        let rows = evidence::read(&self.stage.data)?;
        let row = evidence::ends(&rows).find(|row| evidence::tool(&row.entry) == REFUSED_TOOL);
        let call = row.and_then(|row| row.entry.header().call);
        call.map(|call| call.to_string())
            .ok_or_else(|| broken("the entry of the refused call", "none"))
    }

    /// The hub is stopped before the proof is verified.
    pub(super) async fn proven(&mut self, mut away: Away, call: &str) -> Told<Away> {
        self.title("One entry, for somebody who trusts nobody here")?;
        let file = self.stage.props().join(PROOF);
        let args: [&OsStr; 6] = [
            "prove".as_ref(),
            call.as_ref(),
            "--from".as_ref(),
            away.dir.as_ref(),
            "--output".as_ref(),
            file.as_ref(),
        ];
        self.stage.run(&args).await?.expect(0)?;
        let proof = fs::read(&file).map_err(|e| ExpectedError::storage(&e))?;
        self.summary.proof_bytes = len(proof.len());
        self.story.say(&format!(
            "`affiant prove` the call that {REFUSED_TOOL} refused: demo/{PROOF}, {}",
            bytes(self.summary.proof_bytes)
        ))?;
        away.stop_hub().await?;
        let ran = self.stage.run(&verify_args(&away.trust, &file)).await?;
        let outcome = ran.expect(0)?.json()?;
        self.summary.verify_proof = outcome
            .get("answer")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let index = outcome.pointer("/proof/index").and_then(Value::as_u64);
        let index = index.ok_or_else(|| broken("the place of the entry", "none"))?;
        let mark = self.story.paint().green("✓");
        self.story.say(&format!(
            "{mark} `affiant verify` of that file alone, offline: ok. Leaf {index} of {} is this entry, its \
             source sealed it, and a witness has seen the log that holds it.",
            away.log
        ))?;
        self.proof_flipped(&away, &proof).await?;
        Ok(away)
    }

    async fn proof_flipped(&mut self, away: &Away, proof: &[u8]) -> Told<()> {
        let mut forged = proof.to_vec();
        let at = forged.len() / 2;
        if let Some(byte) = forged.get_mut(at) {
            *byte ^= 1;
        }
        let file = self.stage.props().join("flipped.proof");
        fs::write(&file, &forged).map_err(|e| ExpectedError::storage(&e))?;
        let ran = self.stage.run(&verify_args(&away.trust, &file)).await?;
        let ran = ran.expect(1)?;
        self.summary.verify_proof_flipped = Some("no".to_owned());
        let why = ran.told("error: ").map(str::to_owned).or_else(|_| {
            let outcome = ran.json()?;
            let fault = outcome.pointer("/proof/findings/0");
            Ok::<_, ExpectedError>(fault.map(Value::to_string).unwrap_or_default())
        })?;
        let why = why.rsplit("`: ").next().unwrap_or_default().to_owned();
        let mark = self.story.paint().red("✗");
        self.story.say(&format!(
            "{mark} One bit of byte {at} flipped in a copy: no ({})",
            clean(&why)
        ))
    }
}
