//! Every limit of the product, each defined once with its unit and its reason. `docs/limits.md` is generated from this
//! file.
//!
//! Form: a heading is a line `// ## TITLE`; each constant below has a doc comment that says what is limited and why,
//! and a value that is a number, a product of numbers, or a [`Duration`] of one. Units come last in a name: `_BYTES`,
//! `_CHARS`, `_BITS`; a [`Duration`] has its own.
//!
//! A leaf: imports nothing of this crate.

use std::time::Duration;

// ## Sessions

/// Sessions known to one process, connected or not: bounds the memory that session names take.
pub const SESSIONS_MAX: usize = 4096;
/// Characters of a session name: names stand in job names, metric labels and file contents.
pub const SESSION_NAME_MAX_CHARS: usize = 64;
/// Bytes of a `host` with its user and port: a DNS name has 255 at most, the rest is room for a user.
pub const TARGET_MAX_BYTES: usize = 1024;
/// Characters of a refused parameter that are quoted in the error: enough to recognise the value.
pub const QUOTED_VALUE_MAX_CHARS: usize = 100;
/// Characters of a host's text (banner, server message) that are quoted in an error: a sentence or two.
pub const QUOTED_TEXT_MAX_CHARS: usize = 200;
/// Crashes of a session actor within [`RESTART_PERIOD`] that are answered by a restart: more crashes have a cause that
/// a restart does not remove.
pub const RESTART_INTENSITY: usize = 3;
/// Period over which [`RESTART_INTENSITY`] counts: crashes further apart have separate causes.
pub const RESTART_PERIOD: Duration = Duration::from_secs(60);

// ## Commands and jobs

/// Commands running at once in a session: three times the channels of sshd's default MaxSessions.
pub const JOBS_RUNNING_MAX: usize = 32;
/// Commands waiting in a session for a connection or a channel: bounds the memory of a session on a dead link.
pub const JOBS_QUEUED_MAX: usize = 64;
/// Bytes of an exec command line: sshd passes the line to the login shell as a single argument, and Linux accepts no
/// longer argument (MAX_ARG_STRLEN less the final NUL).
pub const EXEC_LINE_MAX_BYTES: usize = 131_071;
/// Bytes of text given to a command as `stdin`: larger input is a file to upload.
pub const STDIN_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Variables in `env`: the variables become a part of the command line.
pub const ENV_MAX_VARIABLES: usize = 256;
/// Pieces of input, and signals, that wait for a command which does not read: bounds memory.
pub const JOB_INPUT_QUEUE: usize = 16;
/// Bytes of one piece of input: the size of an SSH packet.
pub const JOB_INPUT_PIECE_BYTES: usize = 32 * 1024;
/// Time for a slow command to read its input; then the call reports how much was read.
pub const JOB_INPUT_TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of a command in a list of jobs: a line of a terminal.
pub const JOB_COMMAND_SHOWN_CHARS: usize = 80;
/// Ended jobs of a session that can still be read: more than an agent returns to.
pub const JOBS_ENDED_KEPT: usize = 100;
/// Memory that the ended jobs of all sessions take together; above, the oldest jobs lose their output.
pub const ENDED_JOBS_MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// Output that the ended jobs of all sessions keep together, in memory and in temporary files: bounds the use of the
/// disk.
pub const ENDED_JOBS_KEPT_BYTES: u64 = 1024 * 1024 * 1024;
/// Silence after which a last line that looks like a prompt means that a command waits for input: shorter pauses are
/// common in the middle of a line.
pub const PROMPT_SILENCE: Duration = Duration::from_millis(300);
/// Time for a command to end after a line matched `until`: the last line of a command often matches, and the end in
/// the same result saves the caller a call.
pub const UNTIL_END_GRACE: Duration = Duration::from_millis(100);
/// Columns of a terminal: wide enough for the tables of most tools.
pub const PTY_COLUMNS: u32 = 120;
/// Rows of a terminal: a common size of a window.
pub const PTY_ROWS: u32 = 40;
/// Time after the exit status in which the streams may still end by themselves: a background process that holds them
/// longer does not delay the result.
pub const STREAM_DRAIN: Duration = Duration::from_millis(250);
/// Time for a command's last output after its exit status, while more keeps arriving.
pub const STREAM_DRAIN_MAX: Duration = Duration::from_secs(10);
/// Time between the steps INT, TERM and KILL of ending a command: enough for a program to clean up.
pub const KILL_STEP: Duration = Duration::from_secs(2);
/// Time for the whole of ending a command: three steps and a round trip.
pub const KILL_TIMEOUT: Duration = Duration::from_secs(12);
/// Time until `ssh_disconnect` is answered while commands are still being ended: the answer comes within 3 s, and the
/// ending continues.
pub const DISCONNECT_ANSWER_TIME: Duration = Duration::from_millis(2500);
/// Time to get the channel on which commands are ended: where the server's bound is known, a channel is reserved.
pub const CONTROL_CHANNEL_TIMEOUT: Duration = Duration::from_secs(2);

// ## Calls and results

/// Default `waitMs`: below the 60 s after which clients give up a call.
pub const WAIT_DEFAULT: Duration = Duration::from_millis(25_000);
/// Largest `waitMs`: below the same 60 s.
pub const WAIT_MAX: Duration = Duration::from_millis(50_000);
/// Largest `timeoutMs`, one day: a larger number is more likely a wrong unit.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Output shown of a command unless asked otherwise: every client shows this much to its model in full.
pub const OUTPUT_DEFAULT_BYTES: usize = 8192;
/// Largest `maxOutputBytes`: keeps a whole result below the 1 MiB at which some clients break.
pub const OUTPUT_MAX_BYTES: usize = 262_144;
/// Pieces of a page of output: a command that alternates between stdout and stderr byte by byte would otherwise turn a
/// page into a text block, with its metadata, for every byte.
pub const OUTPUT_PAGE_PIECES_MAX: usize = 256;
/// Text of a result after escaping: some clients break when a whole result passes 1 MiB.
pub const RESULT_TEXT_MAX_BYTES: usize = 900 * 1024;
/// The whole answer to `tools/list`: the list is a part of every conversation of the client.
pub const TOOLS_LIST_MAX_BYTES: usize = 10_240;
/// The server's instructions: some clients cut them at 4,096 characters.
pub const INSTRUCTIONS_MAX_BYTES: usize = 2048;
/// Output that is replayed to show a terminal's screen: full-screen programs redraw within less.
pub const SCREEN_REPLAY_BYTES: usize = 256 * 1024;
/// Memory of the automaton of a `grep` pattern: patterns come from a model.
pub const GREP_AUTOMATON_MAX_BYTES: usize = 1024 * 1024;

// ## Output of a command

/// Output of a job held in memory before the output moves to a temporary file, and the part that remains when that
/// file cannot be written: the 32 running jobs of a session fit into the memory of a small machine.
pub const OUTPUT_MEMORY_BYTES: u64 = 1024 * 1024;
/// Output kept of a job: above, the middle is dropped, the first and the newest half stay.
pub const OUTPUT_KEPT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a command's output that are read at full speed; more output is a flood.
pub const FLOOD_AFTER_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of a flood that are read before the reader rests: large enough that the rests do not dominate.
pub const FLOOD_BATCH_BYTES: u64 = 512 * 1024;
/// Length of the reader's rest: at most about 300 MB/s of a flood are read, more than most links carry.
pub const FLOOD_REST: Duration = Duration::from_millis(1);

// ## The session's shell

/// Bytes of a command of `ssh_shell`: a whole script fits, and bash reads the command byte by byte.
pub const SHELL_COMMAND_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Time for a shell to start and to answer: start-up files of an account may be slow.
pub const SHELL_START_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of umask and exported variables that are kept for the next shell; of a larger state, only the directory is
/// kept.
pub const SHELL_STATE_MAX_BYTES: usize = 1024 * 1024;
/// Bytes of status and directory at the end of a command: several times the longest path.
pub const SHELL_TRAILER_MAX_BYTES: usize = 64 * 1024;
/// Bytes of each stream, printed by background processes between two commands, that the next result shows.
pub const SHELL_BACKGROUND_KEPT_BYTES: usize = 4096;
/// Time for a shell to return once the processes of its command are gone; then the shell is ended too.
pub const SHELL_RETURN_TIMEOUT: Duration = Duration::from_secs(2);
/// Time after which a helper checks whether the shell of a running command still works on the command; each further
/// check comes after twice the time.
pub const SHELL_LOOK_AFTER: Duration = Duration::from_secs(5);
/// Longest time between two such checks: a shell that hangs is found within a minute.
pub const SHELL_LOOK_MAX: Duration = Duration::from_secs(60);

// ## Connecting

/// Default `connectTimeoutMs` for the whole of a connect, where the configuration has no ConnectTimeout: long enough
/// for a slow login.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);
/// Largest connect timeout: a call has to answer before its client gives up.
pub const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(50);
/// Largest `retryForMs`: below the 60 s after which clients give up a call.
pub const RETRY_FOR_MAX: Duration = Duration::from_secs(50);
/// First wait between two tries of `retryForMs`, doubled after each: a host that boots is soon up.
pub const RETRY_WAIT_INITIAL: Duration = Duration::from_millis(500);
/// Longest wait between two tries of `retryForMs`: a caller waits for the host.
pub const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);
/// Time for all tries of `retryForMs`, the last included: below the 60 s after which clients give up a call.
pub const RETRY_CALL_MAX: Duration = Duration::from_secs(55);
/// Time for `ssh -G` with the `Match exec` commands that it may run.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of output read from `ssh -G`: several times the longest real configuration.
pub const RESOLVE_OUTPUT_MAX_BYTES: u64 = 256 * 1024;
/// Bytes of ssh's error output that are kept and shown: file and line stand in the first lines.
pub const RESOLVE_STDERR_MAX_BYTES: usize = 2048;
/// Time for the error output of `ssh -G` to end after `ssh` has exited: a process that `Match exec` left behind may
/// hold the pipe open.
pub const RESOLVE_STDERR_DRAIN: Duration = Duration::from_millis(100);
/// Time to collect a local process that was killed: only the kernel is waited for.
pub const LOCAL_REAP_TIMEOUT: Duration = Duration::from_secs(1);
/// `ssh -G` processes at once: bounds the load of a fan-out on this machine.
pub const RESOLUTIONS_MAX: usize = 8;
/// Time for a TCP connect to one address: three retransmissions of the SYN.
pub const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// Head start of an address over the next (RFC 8305, "Connection Attempt Delay").
pub const TCP_ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Time for the banner and the key exchange together: five round trips and a busy server.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at once over all sessions: sshd's MaxStartups drops storms.
pub const HANDSHAKES_MAX: usize = 16;
/// Handshakes at once to one destination: OpenSSH 9.8 and later penalises a source address.
pub const HANDSHAKES_PER_DESTINATION_MAX: usize = 4;
/// Time for authentication: PAM delays and a touch on a security key fit in.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the agent to list its keys: a stale socket may accept and never answer.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of a private key file: the largest RSA key takes a fraction of this.
pub const KEY_FILE_MAX_BYTES: u64 = 1024 * 1024;

// ## Connections

/// Time for the answer to a channel-open request: a server may fork first.
pub const CHANNEL_OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Receive window of a channel: 16 MiB carries 155 MB/s at 50 ms, the usual 2 MiB only 20.
pub const CHANNEL_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Time for a message to leave on a link that accepts no bytes.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// Keepalive interval where ServerAliveInterval is not set: a dead link is noticed within seconds.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Unanswered keepalives after which a peer counts as dead, where ServerAliveCountMax is not set: a dead peer is
/// noticed after (this + 1) intervals.
pub const KEEPALIVE_COUNT: usize = 2;
/// First interval of the reconnect backoff; each delay is a random part of its interval (full jitter).
pub const BACKOFF_INITIAL: Duration = Duration::from_millis(500);
/// Largest interval of the reconnect backoff: a host that returns is reached within a minute.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Time without success after which a session is `dormant` until the next call: a host that is gone is not dialled for
/// ever.
pub const DORMANT_AFTER: Duration = Duration::from_secs(30 * 60);
/// Time that a link must last before the backoff starts again from its first interval: a link that breaks at once does
/// not reset the backoff.
pub const LINK_PROVEN_AFTER: Duration = Duration::from_secs(10);

// ## Host keys

/// Smallest RSA key of a host where RequiredRSASize is not set (ssh_config(5)).
pub const RSA_MIN_BITS: u32 = 2048;
/// Smallest RSA key on a known_hosts line: OpenSSH reads a line with a smaller key as damaged.
pub const RSA_RECORDED_MIN_BITS: u32 = 1024;
/// Largest RSA key on a known_hosts line: OpenSSH reads a line with a larger key as damaged.
pub const RSA_RECORDED_MAX_BITS: u32 = 16_384;
/// Bytes of a known_hosts file: several hundred thousand lines.
pub const KNOWN_HOSTS_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Time to wait for the lock of a known_hosts file before adding a line: another process holds the lock for
/// milliseconds.
pub const KNOWN_HOSTS_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two attempts at the lock of a known_hosts file: longer than an addition takes, far shorter than a
/// handshake.
pub const KNOWN_HOSTS_LOCK_POLL: Duration = Duration::from_millis(5);
/// Bytes of a host name or HostKeyAlias that is looked up: the longest DNS name has 253.
pub const HOST_KEY_NAME_MAX_BYTES: usize = 255;
/// Bytes of a pattern on a known_hosts line: OpenSSH reads a line with a longer pattern as "no match".
pub const HOST_PATTERN_MAX_BYTES: usize = 1022;
/// Bytes of the base64 text of a key on a known_hosts line: the largest RSA key takes 3 KiB, and the bound keeps the
/// recursion into nested certificates shallow.
pub const HOST_KEY_TEXT_MAX_BYTES: usize = 32 * 1024;

// ## Transfers

/// Transfers running at once in a session: each may take four channels.
pub const TRANSFERS_RUNNING_MAX: usize = 4;
/// Transfers waiting in a session for a connection or for their turn: a tree is a single transfer.
pub const TRANSFERS_QUEUED_MAX: usize = 16;
/// Requests outstanding on an SFTP channel, and files of a tree in flight at once: at 255 KiB a block they fill the
/// receive window.
pub const SFTP_REQUESTS_MAX: usize = 64;
/// SFTP channels of a transfer: sshd's own window of 2 MiB caps each channel on a long link.
pub const SFTP_CHANNELS_MAX: usize = 4;
/// Bytes of an SFTP read or write: the largest that OpenSSH accepts.
pub const SFTP_BLOCK_MAX_BYTES: u64 = 255 * 1024;
/// Bytes of an SFTP packet from a server: twice OpenSSH's own bound.
pub const SFTP_PACKET_MAX_BYTES: usize = 512 * 1024;
/// Time in which a server with outstanding requests shows no sign of life; ten times that where the server has to
/// write to a disk.
pub const SFTP_SILENCE: Duration = Duration::from_secs(30);
/// Time that an unused SFTP channel is kept open: the next transfer saves two round trips.
pub const SFTP_IDLE: Duration = Duration::from_secs(30);
/// Time for the end of a connection to follow the end of an SFTP channel: tells a lost link from an SFTP server that
/// exited.
pub const SFTP_LOSS_GRACE: Duration = Duration::from_millis(300);
/// Distance between the first byte of a file that has not arrived and the last byte that was requested: bounds the
/// memory of a transfer, and the part that a partial file may lack before its end.
pub const TRANSFER_SPAN_BYTES: u64 = 16 * 1024 * 1024;
/// Round trip from which a link counts as long: local networks stay below.
pub const TRANSFER_LONG_ROUND_TRIP: Duration = Duration::from_millis(5);
/// Size from which a file is spread over several channels of a long link: below, the start of a channel costs more
/// than it saves.
pub const TRANSFER_STRIPE_MIN_BYTES: u64 = 4 * 1024 * 1024;
/// Size from which a file is spread over several channels of a short link: sending this many bytes takes several times
/// as long as the start of a channel.
pub const TRANSFER_STRIPE_NEAR_MIN_BYTES: u64 = 64 * 1024 * 1024;
/// Channels that carry a file over a short link: the fourth has the host write the file to its disk meanwhile.
pub const TRANSFER_STRIPES_NEAR_MAX: usize = 3;
/// Bytes of a file requested ahead over a short link, all channels together: more than a gigabit link has in flight,
/// and few enough to stay in the processors' caches on the way through three processes.
pub const TRANSFER_NEAR_BYTES: u64 = 3 * 1024 * 1024;
/// Bytes of a file after which the received part is sent to the disk, so that little is left for the end.
pub const TRANSFER_SYNC_BYTES: u64 = 64 * 1024 * 1024;
/// Names in a tree: the list stays below 32 MiB, and a listing without end stops here.
pub const TREE_NAMES_MAX: usize = 200_000;
/// Directories below each other in a tree: a real tree is flatter, a loop of links is not.
pub const TREE_DEPTH_MAX: usize = 128;
/// Bytes read of a file that claims to be empty, as the files of /proc do.
pub const UNSIZED_FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Names of a directory that are searched for an older partial file: a larger directory costs too many round trips.
pub const PARTIAL_SEARCH_MAX: usize = 20_000;
/// Skipped names that a result lists; the rest are counted.
pub const SKIPPED_SHOWN: usize = 10;
/// Time for a hash on the host, whatever the size, and one second more for every 20 MB.
pub const REMOTE_HASH_TIMEOUT: Duration = Duration::from_secs(30);
/// Time to remove temporary files after a transfer that failed: a few round trips.
pub const TRANSFER_CLEANUP_TIMEOUT: Duration = Duration::from_secs(5);

// ## The store

/// Bytes of the store file: 4096 sessions with long paths fit several times.
pub const STORE_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Time to wait for the store's lock while another process writes.
pub const STORE_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two attempts at the store's lock: short beside a save (about 2 ms with its fsyncs), so that a process
/// that saves all the time does not shut out the others.
pub const STORE_LOCK_POLL: Duration = Duration::from_millis(2);
/// Problems of a store file that are listed; the rest are counted.
pub const STORE_PROBLEMS_MAX: usize = 20;
/// Links followed from the path of the store to its file: dotfile managers use one or two.
pub const STORE_LINKS_MAX: usize = 8;

// ## The stdio server

/// Bytes of a line of stdio input, that is of a JSON-RPC message: twice the largest `stdin` of a command.
pub const STDIO_LINE_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Calls in progress at once from a stdio client: bounds the memory of a client that does not wait for answers.
pub const STDIO_CALLS_MAX: usize = 256;

// ## The HTTP daemon

/// Bytes of the body of an HTTP request: the same as the largest `stdin` of a command.
pub const HTTP_BODY_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a body above its limit that are still read, so that the sender sees the answer.
pub const HTTP_BODY_DRAIN_BYTES: usize = 4 * 1024 * 1024;
/// Time for the whole body of an HTTP request: clients are on the same machine or network.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the headers of an HTTP request, and for the next request of an idle connection.
pub const HTTP_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the headers of an HTTP request: a token and a few names.
pub const HTTP_HEADER_MAX_BYTES: usize = 64 * 1024;
/// Time that an HTTP client may accept no bytes of an answer before its connection is closed.
pub const HTTP_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// HTTP connections at once: 200 clients with ten calls and a stream each fit. The number is lower where the process
/// may open fewer files.
pub const HTTP_CONNECTIONS_MAX: usize = 4096;
/// Open files that the daemon requests from the system, if allowed: two for each connection.
pub const HTTP_OPEN_FILES: u64 = 16_384;
/// Pause after a connection could not be accepted, for example for lack of open files.
pub const HTTP_ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time for the last answers to leave when the daemon ends, and once more for its streams to end.
pub const HTTP_END_GRACE: Duration = Duration::from_millis(100);
/// MCP sessions at once of clients whose protocol has sessions (before 2026-07-28), both transports together: each
/// takes memory until it ends.
pub const LEGACY_SESSIONS_MAX: usize = 256;
/// Time without a message after which an MCP session of streamable HTTP ends: its client may be gone without a word.
pub const LEGACY_SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// Client processes without an MCP session whose default session is remembered; the process that has called least
/// recently gives way: more processes than one user's clients are.
pub const HTTP_PROCESSES_MAX: usize = 1024;
/// Calls in progress at once in an MCP session of the legacy SSE transport, as on stdio.
pub const LEGACY_SSE_CALLS_MAX: usize = 256;
/// Messages that wait for a client of the legacy SSE transport which does not read, and for the service.
pub const LEGACY_SSE_QUEUE: usize = 64;
/// Time between two signs of life on an event stream: below the idle limits of common proxies.
pub const SSE_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes of a token file, and of the token in the file: a header of an HTTP request has to hold the token.
pub const TOKEN_MAX_BYTES: u64 = 4096;
/// Smallest token: 128 bits as hexadecimal digits are twice as long.
pub const TOKEN_MIN_BYTES: usize = 16;
/// Time between two rounds in which recorded durations are folded into their histograms.
pub const METRICS_UPKEEP: Duration = Duration::from_secs(30);

// ## Shutdown

/// Time for the sessions to end after EOF, SIGINT or SIGTERM: the whole end takes less than a second.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(700);
/// Part of [`SHUTDOWN_TIMEOUT`] for a channel on which a helper can run: one round trip, where no channel is open.
pub const SHUTDOWN_CHANNEL_TIME: Duration = Duration::from_millis(250);
/// Part of [`SHUTDOWN_TIMEOUT`] for signal requests to each command, where a host runs no helper.
pub const SHUTDOWN_SIGNAL_TIME: Duration = Duration::from_millis(300);
/// Part of [`SHUTDOWN_TIMEOUT`] in which transfers remove their temporary files.
pub const SHUTDOWN_TRANSFER_TIME: Duration = Duration::from_millis(250);
/// Time after the sessions have ended for the tasks of the process to end, and with them local children such as `ssh
/// -G`.
pub const RUNTIME_END_TIMEOUT: Duration = Duration::from_millis(50);

// ## The demo and the doctor

/// Connections at once to the embedded server of `demo`: a walk-through needs two.
pub const DEMO_CONNECTIONS_MAX: usize = 64;
/// Session channels of a connection to the embedded server: sshd's MaxSessions.
pub const DEMO_SESSIONS_MAX: usize = 10;
/// Credentials that the embedded server refuses before it hangs up: sshd's MaxAuthTries.
pub const DEMO_AUTH_TRIES_MAX: usize = 6;
/// Chunks (32 KiB each) of output, or of input and signals, that wait between a command of the embedded server and its
/// channel: enough to keep both busy.
pub const DEMO_QUEUE_CHUNKS: usize = 16;
/// Bytes of stdin held for a command of the embedded server that does not read: [`STDIN_MAX_BYTES`] twice.
pub const DEMO_STDIN_BACKLOG_BYTES: usize = 8 * 1024 * 1024;
/// Time for an answer in the walk-through of `demo`: a step takes a second or two, on a busy machine ten.
pub const DEMO_CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the MCP server of `demo` to end once its input has ended, before the server is killed.
pub const DEMO_END_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for `ssh -V` and `ssh -v -G` when `doctor` runs them: a few milliseconds are usual.
pub const DOCTOR_PROGRAM_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that `doctor` reads of their output: a configuration of some hundred blocks fits.
pub const DOCTOR_PROGRAM_OUTPUT_BYTES: u64 = 1024 * 1024;
/// Time for the name lookup of `doctor`: as long as a resolver with two dead servers tries.
pub const DOCTOR_LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Damaged lines of a known_hosts file that `doctor` names; the rest are counted.
pub const KNOWN_HOSTS_DAMAGED_SHOWN: usize = 5;
