//! What programs write: in order, bounded, whatever its bytes are.

use process::{Command, End, Limits};

use crate::{command, run, runners, sh};

#[tokio::test]
async fn output_and_errors_come_in_the_order_they_were_written() {
    for (isolation, runner) in runners().await {
        let finished = run(&runner, &sh("echo a; echo b >&2; echo c; echo d >&2")).await;
        assert_eq!(finished.output.text, "a\nb\nc\nd\n", "{isolation}");
        assert_eq!(finished.output.left_out_bytes, 0);
    }
}

#[tokio::test]
async fn a_flood_is_cut_in_the_middle_and_the_program_goes_on() {
    for (isolation, runner) in runners().await {
        let limits = Limits { output_bytes: 1000, ..Limits::default() };
        let script = "echo first; yes | head -c 3000000; echo last; exit 3";
        let finished = run(&runner, &Command { limits, ..sh(script) }).await;
        assert_eq!(finished.end, End::Exited(3), "{isolation}");
        let output = finished.output;
        assert!(output.text.starts_with("first\n") && output.text.ends_with("last\n"), "{}", output.text);
        assert_eq!(output.left_out_bytes, 6 + 3_000_000 + 5 - 1000);
        assert!(output.text.contains(&format!("{} bytes left out", output.left_out_bytes)));
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_marked() {
    for (_, runner) in runners().await {
        let finished = run(&runner, &command("printf", &[r"a\377b\303\244\000c"])).await;
        assert_eq!(finished.output.text, "a\u{fffd}b\u{e4}\0c");
    }
}

#[tokio::test]
async fn a_program_that_closes_its_output_is_waited_for() {
    for (isolation, runner) in runners().await {
        let finished = run(
            &runner,
            &sh("echo said; exec >&- 2>&-; head -c 3000000 /dev/zero | wc -c >/dev/null; exit 5"),
        )
        .await;
        assert_eq!(finished.end, End::Exited(5), "{isolation}");
        assert_eq!(finished.output.text, "said\n");
    }
}
