//! Outputs of any size: no byte is lost, none comes twice.

use std::fmt::Write;

use serde_json::json;

use testkit::world::World;

/// The most that one page may hold.
const PAGE_MAX: u64 = 262_144;

/// Lines of characters of one to four bytes, none of which is rewritten.
fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 200);
    let mut line = 0;
    while text.len() < bytes {
        writeln!(text, "{line}\tpłain äöü € 漢字 𝄞 {}", "x".repeat(line % 97)).unwrap();
        line += 1;
    }
    text
}

/// Compares without printing megabytes.
fn assert_same(got: &str, wanted: &str) {
    let same = got.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b);
    let at = same.count();
    assert!(
        got == wanted,
        "{} bytes instead of {}; they differ from byte {at} on",
        got.len(),
        wanted.len()
    );
}

/// Reads from the mark, page by page, until nothing is left of an ended job.
async fn read_marked(world: &World, job: &str, sizes: &[u64]) -> String {
    let mut all = String::new();
    for size in sizes.iter().cycle() {
        let arguments = json!({"maxOutputBytes": size});
        let page = world.output(job, arguments).await;
        let text = page.text();
        assert!(
            text.len() as u64 <= *size,
            "{} in a page of {size}",
            text.len()
        );
        all.push_str(&text);
        if page.meta("outcome") != "running" && page.number("remainingBytes") == 0 {
            return all;
        }
    }
    unreachable!("the sizes repeat for ever")
}

#[tokio::test]
async fn pages_from_the_mark_are_the_output() {
    let world = World::start().await;
    let wanted = text(3_000_000);
    let file = world.sshd.home().join("text");
    std::fs::write(&file, &wanted).unwrap();
    // Read while the job runs.
    let job = world
        .job(&format!("cat {}", file.display()), json!({}))
        .await;
    let sizes = [99_991, PAGE_MAX - 1, 65_537, 131_071, 7];
    let got = read_marked(&world, &job, &sizes).await;
    assert_same(&got, &wanted);
    // Read again by offset, after its end.
    let (mut got, mut offset) = (String::new(), 0);
    loop {
        let arguments = json!({"offsetBytes": offset, "maxOutputBytes": 200_003});
        let page = world.output(&job, arguments).await;
        let next = page.number("nextOffsetBytes");
        let text = page.text();
        assert_eq!(next - offset, text.len() as u64, "offsets count bytes");
        assert_eq!(page.number("remainingBytes"), wanted.len() as u64 - next);
        got.push_str(&text);
        offset = next;
        if page.number("remainingBytes") == 0 {
            break;
        }
    }
    assert_same(&got, &wanted);
}

#[tokio::test]
async fn small_pages_are_cut_between_characters() {
    let world = World::start().await;
    let wanted = text(600);
    let file = world.sshd.home().join("text");
    std::fs::write(&file, &wanted).unwrap();
    let job = world
        .job(&format!("cat {}", file.display()), json!({}))
        .await;
    let got = read_marked(&world, &job, &[4, 5, 7, 11]).await;
    assert_same(&got, &wanted);
}

#[tokio::test]
async fn a_character_may_arrive_in_two_halves() {
    let world = World::start().await;
    let command = r"printf 'a\342'; read go; printf '\202\254b\342\202'";
    let job = world.job(command, json!({"interactive": true})).await;
    let first = world.read_until(&job, "a").await;
    assert_eq!(first, "a", "half a character waits for its rest");
    world.input(&job, json!({"text": "\n"})).await;
    let end = world.output(&job, json!({"waitMs": 20000})).await;
    assert_eq!(
        end.text(),
        "€b\\xe2\\x82",
        "and is shown as bytes when none comes"
    );
    assert_eq!(end.meta("escaped"), 2);
}

#[tokio::test]
async fn what_the_first_result_leaves_out_can_be_read() {
    let world = World::start().await;
    let wanted = text(100_000);
    let file = world.sshd.home().join("text");
    std::fs::write(&file, &wanted).unwrap();
    let command = format!("cat {}", file.display());
    let answer = world.call("ssh_exec", json!({"command": command})).await;
    assert_eq!(answer.meta("outcome"), "exited");
    let job = answer.meta("job").as_str().expect("a job to read on");
    let gaps = answer.omitted();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let (gap, said) = &gaps[0];
    let (offset, bytes) = (
        usize::try_from(gap["offsetBytes"].as_u64().unwrap()).unwrap(),
        usize::try_from(gap["bytes"].as_u64().unwrap()).unwrap(),
    );
    let call = format!("ssh_output(job: \"{job}\", stream: \"stdout\", offsetBytes: {offset})");
    assert!(said.contains(&call), "{said}");
    assert_eq!(answer.number("omittedBytes"), bytes as u64);
    let streams = answer.streams();
    assert_eq!(streams.len(), 2, "head and tail");
    assert_same(&streams[0].1, &wanted[..offset]);
    assert_same(&streams[1].1, &wanted[offset + bytes..]);
    let lines = wanted[offset..offset + bytes].matches('\n').count();
    assert_eq!(gap["lines"], lines);
    let arguments = json!({"stream": "stdout", "offsetBytes": offset, "maxOutputBytes": PAGE_MAX});
    let rest = world.output(job, arguments).await;
    assert_same(&rest.text(), &wanted[offset..]);
}

#[tokio::test]
async fn the_middle_of_a_huge_output_is_dropped_and_said() {
    const LINE: u64 = 16;
    const LINES: u64 = 4_600_000;
    const KEPT: u64 = 64 * 1024 * 1024;
    let world = World::start().await;
    let job = world
        .job(&format!("seq -f %015.0f 1 {LINES}"), json!({}))
        .await;
    let end = world.ended(&job).await;
    assert_eq!(end.meta("exitCode"), 0, "{}", end.status());
    let total = LINE * LINES;
    assert_eq!(end.number("stdoutBytes"), total);
    // The expected text from `start` to `end`.
    let wanted = |start: u64, end: u64| -> String {
        (start / LINE..end.div_ceil(LINE))
            .map(|line| format!("{:015}\n", line + 1))
            .collect::<String>()[(start % LINE) as usize..][..(end - start) as usize]
            .to_owned()
    };
    let arguments = json!({"offsetBytes": KEPT / 2 - 1000, "maxOutputBytes": 5000});
    let edge = world.output(&job, arguments).await;
    let gaps = edge.omitted();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let (gap, said) = &gaps[0];
    let (start, dropped) = (
        gap["offsetBytes"].as_u64().unwrap(),
        gap["bytes"].as_u64().unwrap(),
    );
    assert!(said.contains("not kept any more"), "{said}");
    assert!(said.contains(&format!("{dropped} bytes")), "{said}");
    assert_eq!(start, KEPT / 2, "the first half is kept");
    assert!(
        (total - KEPT..total - KEPT + 1024 * 1024).contains(&dropped),
        "{dropped} dropped of {total}"
    );
    let streams = edge.streams();
    assert_eq!(streams[0].1, wanted(KEPT / 2 - 1000, KEPT / 2));
    let resume = start + dropped;
    assert_eq!(streams[1].1, wanted(resume, resume + 4000));
    assert_eq!(edge.number("nextOffsetBytes"), resume + 4000);
    // Samples of both halves, and the very ends.
    for offset in [
        0,
        12_345,
        KEPT / 2 - 100_000,
        resume,
        resume + 7_654_321,
        total - 50_000,
    ] {
        let arguments = json!({"offsetBytes": offset, "maxOutputBytes": 50_000});
        let page = world.output(&job, arguments).await;
        assert_same(&page.text(), &wanted(offset, offset + 50_000));
    }
    // A search names the part that it could not look at.
    let arguments = json!({"grep": "^000000002500000$"});
    let search = world.output(&job, arguments).await;
    let said = format!(
        "no line matches in the part that is kept; {dropped} bytes of the output are not kept"
    );
    assert!(search.status().contains(&said), "{}", search.status());
    let arguments = json!({"grep": "^000000004600000$"});
    let search = world.output(&job, arguments).await;
    let place = total - LINE;
    assert_eq!(search.text(), format!("byte {place}:000000004600000\n"));
    // Reading from the mark steps over the gap too.
    let arguments = json!({"offsetBytes": start + 10, "maxOutputBytes": 100});
    let inside = world.output(&job, arguments).await;
    assert_eq!(inside.number("nextOffsetBytes"), resume + 100);
    assert_eq!(inside.text(), wanted(resume, resume + 100));
}
