//! Blocks are read as they are meant or refused with a reason, and files keep all that no block names.

use proptest::prelude::*;

use super::*;

fn block(path: &str, search: &str, replace: &str) -> String {
    format!("{path}\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n")
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn swap(search: &str, replace: &str) -> Edit {
    Edit {
        path: "f".to_owned(),
        line: 1,
        change: Change::Replace { search: lines(search), replace: lines(replace) },
    }
}

fn delete() -> Edit {
    Edit { path: "f".to_owned(), line: 1, change: Change::Delete }
}

fn applied(text: &str, search: &str, replace: &str) -> String {
    apply(Some(text), &[swap(search, replace)]).unwrap().unwrap()
}

fn reason(text: Option<&str>, edit: Edit) -> Reason {
    apply(text, &[edit]).unwrap_err().failures.remove(0).reason
}

fn defects(answer: &str) -> Vec<Defect> {
    parse(answer).unwrap_err().defects
}

mod reading {
    use super::*;

    #[test]
    fn reads_a_block_with_its_path_and_line() {
        let edits =
            parse(&format!("I change it.\n\n{}Done.", block("src/lib.rs", "a\n", "b\n  c\n"))).unwrap();
        let change = Change::Replace { search: lines("a"), replace: lines("b\n  c") };
        assert_eq!(edits, [Edit { path: "src/lib.rs".to_owned(), line: 4, change }]);
    }

    #[test]
    fn fences_and_decoration_around_are_passed_over() {
        let body = "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n";
        for answer in [
            format!("```rust\nsrc/a.rs\n{body}```\n"),
            format!("src/a.rs\n```rust\n{body}```\n"),
            format!("**`src/a.rs`**:\n\n~~~\n{body}~~~\n"),
            format!("### src/a.rs\n\n{body}"),
            format!("src/a.rs\n{body}").replace('\n', "\r\n"),
        ] {
            let edits = parse(&answer).unwrap();
            assert_eq!(edits.len(), 1, "{answer}");
            assert_eq!(
                (edits[0].path.as_str(), &edits[0].change),
                ("src/a.rs", &swap("a", "b").change),
                "{answer}"
            );
        }
    }

    #[test]
    fn what_stands_in_a_block_is_taken_as_it_is() {
        let body = "```sh\n# not a path\n<<<< SEARCH\n  ======\n======== \n```\n\n";
        let edits = parse(&block("README.md", body, body)).unwrap();
        assert_eq!(edits[0].change, Change::Replace { search: lines(body), replace: lines(body) });
    }

    #[test]
    fn longer_markers_hold_shorter_ones() {
        let inner = block("x", "a\n", "b\n");
        let answer = format!("f\n<<<<<<<<< SEARCH\n{inner}=========\nnone\n>>>>>>>>> REPLACE\n");
        assert_eq!(
            parse(&answer).unwrap()[0].change,
            Change::Replace { search: lines(&inner), replace: lines("none") }
        );
    }

    #[test]
    fn a_block_right_after_another_is_for_the_same_file() {
        let second = "```\n\n```rust\n<<<<<<< SEARCH\nc\n=======\nd\n>>>>>>> REPLACE\n";
        let edits = parse(&format!("{}{second}", block("a.rs", "a\n", "b\n"))).unwrap();
        assert_eq!(edits.iter().map(|edit| edit.path.as_str()).collect::<Vec<_>>(), ["a.rs", "a.rs"]);
    }

    #[test]
    fn a_deletion_names_its_own_path() {
        assert_eq!(parse("old.rs\n<<<<<<< DELETE\n").unwrap()[0].change, Change::Delete);
        let inherited = format!("{}<<<<<<< DELETE\n", block("a.rs", "a\n", "b\n"));
        assert_eq!(defects(&inherited), [Defect::NoPath { line: 7 }]);
    }

    #[test]
    fn a_file_is_written_anew_by_a_deletion_and_an_empty_search() {
        let edits = parse("f\n<<<<<<< DELETE\n<<<<<<< SEARCH\n=======\nnew\n>>>>>>> REPLACE\n").unwrap();
        assert_eq!(apply(Some("old\n"), &edits).unwrap().as_deref(), Some("new\n"));
    }

    #[test]
    fn names_every_defect_with_its_line() {
        let answer = "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n\
                      ../x\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n\
                      f\n<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE\n\
                      g\n  <<<<<<< SEARCH\n\
                      h\n<<<<<<< SEARCH\na\n";
        let path = "../x".to_owned();
        assert_eq!(
            defects(answer),
            [
                Defect::NoPath { line: 1 },
                Defect::BadPath { line: 7, fault: answers::BadPath::Climbs { path } },
                Defect::SecondDivider { line: 17, divider: "=======".to_owned() },
                Defect::OddMarker { line: 21 },
                Defect::Unclosed { line: 23, missing: "=======".to_owned() },
            ]
        );
    }

    #[test]
    fn a_block_cut_off_by_the_next_is_not_swallowed() {
        let answer = format!("f\n<<<<<<< SEARCH\na\n=======\nb\ng\n{}", &block("g", "a\n", "b\n")[2..]);
        assert_eq!(defects(&answer), [Defect::Unclosed { line: 2, missing: ">>>>>>> REPLACE".to_owned() }]);
    }

    #[test]
    fn a_misspelt_marker_is_not_taken_for_prose() {
        for line in ["<<<<<< SEARCH", "<<<<<<< search", "<<<<<<<SEARCH", " <<<<<<< DELETE", ">>>>>>> REPLACE"]
        {
            assert_eq!(defects(&format!("f\n{line}\n")), [Defect::OddMarker { line: 2 }], "{line}");
        }
    }

    #[test]
    fn prose_alone_is_refused_with_the_format() {
        assert_eq!(defects("I cannot do that.\n=======\n"), [Defect::NoEdits]);
        assert!(parse("").unwrap_err().to_string().contains("<<<<<<< SEARCH"));
    }

    #[test]
    fn refuses_more_than_is_read() {
        assert!(matches!(defects(&"x".repeat(answers::MAX_BYTES + 1))[..], [Defect::TooLong { .. }]));
        assert_eq!(defects(&"f\n<<<<<<< DELETE\n".repeat(MAX_EDITS + 1)), [Defect::TooMany { found: 501 }]);
    }
}

mod applying {
    use super::*;

    #[test]
    fn replaces_whole_lines_only() {
        assert_eq!(applied("foo\nfoobar\n", "foo", "x"), "x\nfoobar\n");
        assert_eq!(applied("a\n\nb\n", "a\n\nb", "b"), "b\n");
        assert!(matches!(reason(Some("foobar\n"), swap("foo", "x")), Reason::NotFound { .. }));
    }

    #[test]
    fn indentation_and_blanks_at_the_end_count() {
        assert!(matches!(reason(Some("    a\n"), swap("a", "b")), Reason::NotFound { .. }));
        assert!(matches!(reason(Some("a \n"), swap("a", "b")), Reason::NotFound { .. }));
    }

    #[test]
    fn the_files_own_line_endings_stay() {
        assert_eq!(applied("a\r\nb\r\n", "a", "x\ny"), "x\r\ny\r\nb\r\n");
        assert_eq!(applied("a\r\nb\nc\r\n", "a\nb\nc", "a\nnew\nb\nc"), "a\r\nnew\nb\nc\r\n");
        assert_eq!(applied("a\nb\r\nc\n", "a\nb\nc", "a\nB\nc"), "a\nB\r\nc\n");
    }

    #[test]
    fn a_missing_final_newline_stays_missing() {
        assert_eq!(applied("a\nb", "b", "c\nd"), "a\nc\nd");
        assert_eq!(applied("a\nb", "b", "b\nc"), "a\nb\nc");
        assert_eq!(applied("a\nb", "b", ""), "a");
        assert_eq!(applied("a\r\nb", "b", "b\nc"), "a\r\nb\r\nc");
        assert_eq!(applied("a\nb\n", "b", ""), "a\n");
    }

    #[test]
    fn a_byte_order_mark_stays_and_hinders_nothing() {
        assert_eq!(applied("\u{feff}a\nb\n", "a", "x"), "\u{feff}x\nb\n");
        assert!(apply(Some("\u{feff}"), &[swap("\n", "x")]).is_err());
        let copied = parse(&block("f", "\u{feff}a\n", "\u{feff}x\n")).unwrap();
        assert_eq!(apply(Some("\u{feff}a\n"), &copied).unwrap().as_deref(), Some("\u{feff}x\n"));
    }

    #[test]
    fn signs_that_mean_something_elsewhere_are_plain_text() {
        assert_eq!(applied("$1 (a|b)*\n", "$1 (a|b)*", "$& $' \\1 {{x}}"), "$& $' \\1 {{x}}\n");
    }

    #[test]
    fn makes_fills_and_deletes_files() {
        assert_eq!(apply(None, &[swap("", "a\nb")]).unwrap().as_deref(), Some("a\nb\n"));
        assert_eq!(apply(None, &[swap("\n", "a")]).unwrap().as_deref(), Some("a\n"));
        assert_eq!(apply(None, &[swap("", "")]).unwrap().as_deref(), Some(""));
        assert_eq!(apply(Some(""), &[swap("", "a")]).unwrap().as_deref(), Some("a\n"));
        assert_eq!(apply(Some("a"), &[delete()]), Ok(None));
        assert_eq!(reason(None, delete()), Reason::Absent);
        assert_eq!(reason(None, swap("a", "b")), Reason::Absent);
        assert_eq!(reason(Some("a\n"), swap("", "b")), Reason::Exists);
    }

    #[test]
    fn refuses_a_search_found_twice_and_says_where() {
        assert_eq!(reason(Some("a\nb\na\n"), swap("a", "c")), Reason::Ambiguous { lines: vec![1, 3] });
        assert_eq!(reason(Some("a\na\na\n"), swap("a\na", "c")), Reason::Ambiguous { lines: vec![1, 2] });
    }

    #[test]
    fn each_edit_sees_what_the_one_before_left() {
        let edits = [swap("a", "b"), swap("b", "c")];
        assert_eq!(apply(Some("a\n"), &edits).unwrap().as_deref(), Some("c\n"));
    }

    #[test]
    fn all_or_nothing_and_every_failure_is_named() {
        let mismatch =
            apply(Some("a\nb\n"), &[swap("x", "y"), swap("a", "c"), delete(), swap("q", "r")]).unwrap_err();
        assert_eq!(mismatch.failures.len(), 2);
        assert!(mismatch.to_string().contains("`f`, the block at line 1 of the answer"));
    }

    #[test]
    fn a_near_miss_shows_the_lines_it_may_have_meant() {
        let text = "fn a() {}\n\nfn b() {\n    let x = 1;\n    go(x);\n}\n";
        let failed = reason(Some(text), swap("fn b() {\n  let x = 1;\n    go(y);\n}", "")).to_string();
        assert!(failed.contains("start at 3"), "{failed}");
        for line in ["\n fn b() {", "\n-  let x = 1;", "\n+    let x = 1;", "\n-    go(y);", "\n+    go(x);"]
        {
            assert!(failed.contains(line), "{line}\nis not in\n{failed}");
        }
    }

    #[test]
    fn a_single_misspelt_line_is_found_by_its_letters() {
        let Reason::NotFound { nearest: Some(nearest), .. } =
            reason(Some("use a;\nlet total = price * count;\n"), swap("let total = prize * count;", "x"))
        else {
            panic!("no hint")
        };
        assert_eq!(nearest.line, 2);
    }

    #[test]
    fn a_change_that_was_made_already_is_recognised() {
        let failed = reason(Some("one\nnew\n"), swap("old", "new"));
        assert!(matches!(failed, Reason::NotFound { already: Some(2), .. }), "{failed}");
    }

    #[test]
    fn nothing_alike_gives_no_hint() {
        assert_eq!(
            reason(Some("aaaa\n"), swap("zzzz", "y")),
            Reason::NotFound { already: None, nearest: None }
        );
    }

    #[test]
    fn refuses_files_over_the_limit() {
        let large = "x".repeat(MAX_FILE_BYTES + 1);
        assert!(matches!(reason(Some(&large), swap("a", "b")), Reason::TooLarge { .. }));
        let full = format!("a\n{}", "x".repeat(MAX_FILE_BYTES - 2));
        assert!(matches!(reason(Some(&full), swap("a", "bb")), Reason::TooLarge { .. }));
    }

    #[test]
    fn a_long_row_of_equal_lines_is_searched_in_linear_time() {
        let text = "\n".repeat(1_000_000);
        let search = format!("{}x\n", "\n".repeat(100_000));
        assert!(matches!(reason(Some(&text), swap(&search, "y")), Reason::NotFound { .. }));
    }
}

/// Lines of a small alphabet, so that they repeat, with blanks, signs and what looks like a marker.
fn any_lines(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        4 => "[ab]{0,2}",
        2 => " {0,4}[a-c(){}$\\\\]{0,4}",
        1 => Just("```".to_owned()),
        1 => "é[^\\r\\n]{0,3}",
    ];
    prop::collection::vec(line, count)
}

fn is_ambiguous(mismatch: &Mismatch) -> bool {
    matches!(mismatch.failures[0].reason, Reason::Ambiguous { .. })
}

proptest! {
    #[test]
    fn an_edit_and_its_inverse_leave_the_file_as_it_was(
        before in any_lines(0..6), mut old in any_lines(1..4), mut new in any_lines(1..4), mut after in any_lines(0..6),
        crlf: bool, final_newline: bool,
    ) {
        let ending = if crlf { "\r\n" } else { "\n" };
        // Without its final newline, a last line that is empty is no line at all, and a single one has no ending to keep.
        match (final_newline, after.is_empty()) {
            (true, _) => {}
            (false, false) => after.push("end".to_owned()),
            (false, true) => {
                old.push("end".to_owned());
                new.push("other end".to_owned());
            }
        }
        let all = [before.clone(), old.clone(), after.clone()].concat();
        let mut text = all.join(ending);
        if final_newline {
            text.push_str(ending);
        }
        let forth = Change::Replace { search: old.clone(), replace: new.clone() };
        let back = Change::Replace { search: new.clone(), replace: old };
        let edit = |change| [Edit { path: "f".to_owned(), line: 1, change }];
        match apply(Some(&text), &edit(forth)) {
            Ok(changed) => {
                let mut expected = [before, new, after].concat().join(ending);
                expected.push_str(if final_newline { ending } else { "" });
                prop_assert_eq!(changed.as_deref(), Some(expected.as_str()));
                match apply(changed.as_deref(), &edit(back)) {
                    Ok(again) => prop_assert_eq!(again, Some(text)),
                    Err(mismatch) => prop_assert!(is_ambiguous(&mismatch), "{}", mismatch),
                }
            }
            Err(mismatch) => prop_assert!(is_ambiguous(&mismatch), "{}", mismatch),
        }
    }

    #[test]
    fn what_is_written_in_blocks_reads_back(search in any_lines(0..5), replace in any_lines(0..5), count in 7..MAX_MARKER) {
        let text = |lines: &[String]| lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        let [open, divider, close] = ["<", "=", ">"].map(|sign| sign.repeat(count));
        let answer = format!("f\n{open} SEARCH\n{}{divider}\n{}{close} REPLACE\n", text(&search), text(&replace));
        prop_assert_eq!(parse(&answer).unwrap()[0].change.clone(), Change::Replace { search, replace });
    }

    #[test]
    fn never_panics_on_any_answer_or_file(
        answer in "(a\n|b\n|\n|f\n|<<<<<<< SEARCH\n|=======\n|>>>>>>> REPLACE\n|<<<<<<< DELETE\n|```\n|é|\u{feff}|\r\n){0,30}",
        text in prop::option::of("(a\n|b\r\n|\n|é|\u{feff}){0,12}"),
    ) {
        if let Ok(edits) = parse(&answer) {
            for edits in by_path(edits).values() {
                let _ = apply(text.as_deref(), edits).map_err(|mismatch| mismatch.to_string());
            }
        }
    }

    #[test]
    fn never_panics_on_any_text(answer in "\\PC{0,300}", text in "\\PC{0,300}") {
        let _ = parse(&answer);
        let _ = apply(Some(&text), &[swap(&answer, &text)]);
    }
}
