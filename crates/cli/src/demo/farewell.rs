//! What to look at oneself.

use super::{Demo, PROPS, Told, latency, story};

impl Demo<'_> {
    pub(super) fn next(&mut self) -> Told<()> {
        self.title("Look for yourself")?;
        let data = self.stage.data.root().display().to_string();
        let (program, set_program) = variable("A", &self.stage.shown_program());
        let (dir, set_dir) = variable("D", &data);
        for set in [set_program, set_dir] {
            self.story.line(&format!("{}{set}", story::INDENT))?;
        }
        let hub = format!("{dir}/{PROPS}/hub");
        let trust = format!("--trust {dir}/{PROPS}/trust.policy");
        let commands = [
            (
                format!("entries --data-dir {dir}"),
                "what the edge still has",
            ),
            (format!("verify {dir}/{PROPS}/flipped"), "exit code 1"),
            (format!("entries --data-dir {hub}"), "what the log has"),
            (format!("verify {trust} {hub}"), "source by source"),
            (
                format!("verify {trust} {dir}/{PROPS}/one.proof"),
                "one entry",
            ),
            (format!("serve --dev --data-dir {hub}"), "the hub again"),
        ];
        let commands = commands.map(|(command, what)| (format!("{program} {command}"), what));
        let last = [(format!("rm -r {dir}"), "when you are done")];
        let widths = commands.iter().map(|(command, _)| command.chars().count());
        let width = widths.max().unwrap_or(0);
        for (command, what) in commands.iter().chain(&last) {
            let what = self.story.paint().dim(&format!("# {what}"));
            self.story
                .line(&format!("{}{command:width$}  {what}", story::INDENT))?;
        }
        self.summary.steps_done = self.story.step();
        let took = latency(self.took_us());
        let all = format!(
            "All {} steps came out as told, in {took}.",
            self.story.step()
        );
        let all = self.story.paint().green(&all);
        self.story.line(&format!("\n{all}"))
    }
}

/// A variable of the shell: how it is used, and how it is set.
fn variable(name: &str, value: &str) -> (String, String) {
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if value.chars().all(plain) {
        (format!("${name}"), format!("{name}={value}"))
    } else {
        let value = value.replace('\'', r"'\''");
        (format!("\"${name}\""), format!("{name}='{value}'"))
    }
}
