//! Every limit of the product, once, with its unit and its reason. The README's table is made of these.
//!
//! A leaf: it imports nothing of this crate. Units come last in a name: `_BYTES`, `_MS`; a [`Duration`] has none.

use std::time::Duration;

/// Sessions known to one process, connected or not: bounds the memory that session names can take.
pub const SESSIONS_MAX: usize = 4096;
/// Characters of a session name: they stand in job names, metric labels and file contents.
pub const SESSION_NAME_MAX_CHARS: usize = 64;
/// Commands running at once in one session.
pub const JOBS_RUNNING_MAX: usize = 32;
/// Commands waiting in one session for a connection or a channel.
pub const JOBS_QUEUED_MAX: usize = 64;
/// Bytes of one exec command line: sshd hands it to the login shell as one argument, and Linux takes no
/// longer one (MAX_ARG_STRLEN less the final NUL).
pub const EXEC_LINE_MAX_BYTES: usize = 131_071;
/// Bytes of text given to a command as `stdin`.
pub const STDIN_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Variables in `env`.
pub const ENV_MAX_VARIABLES: usize = 256;
/// Pieces of input, and signals, that wait for a command which does not take them.
pub const JOB_INPUT_QUEUE: usize = 16;
/// Bytes of one piece of input.
pub const JOB_INPUT_PIECE_BYTES: usize = 32 * 1024;
/// Time for input to be taken by a command that reads slowly; then the call says how much was.
pub const JOB_INPUT_TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of a command in a list of jobs.
pub const JOB_COMMAND_SHOWN_CHARS: usize = 80;
/// Ended jobs of a session that can still be read.
pub const JOBS_ENDED_KEPT: usize = 100;
/// Memory that the ended jobs of all sessions take together; then the oldest lose their output.
pub const ENDED_JOBS_MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// Output that the ended jobs of all sessions keep together, in memory and in temporary files.
pub const ENDED_JOBS_KEPT_BYTES: u64 = 1024 * 1024 * 1024;
/// Output that is played again to show a terminal's screen: full-screen programs redraw within less.
pub const SCREEN_REPLAY_BYTES: usize = 256 * 1024;
/// Memory of the automaton that a `grep` pattern becomes: patterns come from a model.
pub const GREP_AUTOMATON_MAX_BYTES: usize = 1024 * 1024;
/// Silence after which a prompt-like last line means that a command waits for input.
pub const PROMPT_SILENCE: Duration = Duration::from_secs(1);
/// Columns of a terminal: wide enough for the tables of most tools.
pub const PTY_COLUMNS: u32 = 120;
/// Rows of a terminal.
pub const PTY_ROWS: u32 = 40;
/// Output shown of one command unless asked otherwise: what every client shows to its model in full.
pub const OUTPUT_DEFAULT_BYTES: usize = 8192;
/// Largest `maxOutputBytes`: keeps a whole result below the 1 MiB at which some clients break.
pub const OUTPUT_MAX_BYTES: usize = 262_144;
/// Output of one job held in memory before it moves to a temporary file; also what remains of it when that
/// file cannot be written. 32 running jobs of a session fit into the memory of a small machine.
pub const OUTPUT_MEMORY_BYTES: u64 = 1024 * 1024;
/// Output kept of one job: beyond it the middle is dropped, the first and the newest half stay.
pub const OUTPUT_KEPT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a command's output that are read as fast as they come; more of it is a flood.
pub const FLOOD_AFTER_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of a flood that are read before the reader rests.
pub const FLOOD_BATCH_BYTES: u64 = 512 * 1024;
/// How long it rests then: at most about 300 MB/s are read of a flood, more than most links carry.
pub const FLOOD_REST: Duration = Duration::from_millis(1);
/// Pieces of one page of output: a command that alternates between stdout and stderr byte by byte would
/// otherwise turn a page into a text block, with its metadata, for every byte.
pub const OUTPUT_PAGE_PIECES_MAX: usize = 256;
/// Text of one result after escaping: some clients break when a whole result passes 1 MiB.
pub const RESULT_TEXT_MAX_BYTES: usize = 900 * 1024;
/// The whole answer to `tools/list`: it stands in every conversation of the client.
pub const TOOLS_LIST_MAX_BYTES: usize = 10_240;
/// The server's instructions: some clients cut them at 4,096 characters.
pub const INSTRUCTIONS_MAX_BYTES: usize = 2048;
/// Default `waitMs`: below the 60 s after which clients give up a call.
pub const WAIT_DEFAULT: Duration = Duration::from_millis(25_000);
/// Largest `waitMs`, for the same reason.
pub const WAIT_MAX: Duration = Duration::from_millis(50_000);
/// Largest `timeoutMs` and `connectTimeoutMs`: one day.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// `connectTimeoutMs` when neither the call nor the config names one: the whole of a connect.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);
/// Largest connect timeout: a call has to answer before its client gives up.
pub const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(50);
/// `ssh -G`, with the `Match exec` commands that it may run.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of output taken from `ssh -G`.
pub const RESOLVE_OUTPUT_MAX_BYTES: u64 = 256 * 1024;
/// Bytes of ssh's own error output that are kept and shown: file and line stand in its first lines.
pub const RESOLVE_STDERR_MAX_BYTES: usize = 2048;
/// Time for the error output of `ssh -G` to end after `ssh` has: a process that `Match exec` left behind may
/// hold it open.
pub const RESOLVE_STDERR_DRAIN: Duration = Duration::from_millis(100);
/// Time for a local process that was killed to be collected: only the kernel is waited for.
pub const LOCAL_REAP_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of a `host` with its user and port: a DNS name has 255 at most, the rest is room for a user.
pub const TARGET_MAX_BYTES: usize = 1024;
/// Characters of a refused parameter that are quoted in its error.
pub const QUOTED_VALUE_MAX_CHARS: usize = 100;
/// Time for one TCP connect to one address.
pub const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// Head start of one address over the next (RFC 8305, "Connection Attempt Delay").
pub const TCP_ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Time for the banner and the key exchange together.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for authentication: PAM delays and a touch on a security key fit in.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the answer to one channel-open request.
pub const CHANNEL_OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to get the channel on which commands are ended: one is kept for this where the bound is known.
pub const CONTROL_CHANNEL_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a message to leave on a link that takes no bytes.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for a command's last output after its exit status, while more keeps coming.
pub const STREAM_DRAIN_MAX: Duration = Duration::from_secs(10);
/// Time for the agent to list its keys; a stale socket may accept and never answer.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of a private key file: the largest RSA key takes a fraction of it.
pub const KEY_FILE_MAX_BYTES: u64 = 1024 * 1024;
/// Smallest RSA key of a host unless RequiredRSASize says otherwise (ssh_config(5)).
pub const RSA_MIN_BITS: u32 = 2048;

/// Keepalive interval unless ServerAliveInterval says otherwise.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Unanswered keepalives after which a peer is dead, unless ServerAliveCountMax says otherwise: a dead
/// peer is known after (this + 1) intervals.
pub const KEEPALIVE_COUNT: usize = 2;
/// First interval of the reconnect backoff; each delay is a random part of its interval (full jitter).
pub const BACKOFF_INITIAL: Duration = Duration::from_millis(500);
/// Largest interval of the reconnect backoff.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Time without success after which a session is `dormant` until it is asked for.
pub const DORMANT_AFTER: Duration = Duration::from_secs(30 * 60);
/// Time that a link must last before the backoff starts anew from its first interval.
pub const LINK_PROVEN_AFTER: Duration = Duration::from_secs(10);
/// Handshakes at once over all sessions: sshd's MaxStartups drops storms.
pub const HANDSHAKES_MAX: usize = 16;
/// Handshakes at once to one destination: OpenSSH 9.8 and later penalises a source address.
pub const HANDSHAKES_PER_DESTINATION_MAX: usize = 4;
/// `ssh -G` processes at once.
pub const RESOLUTIONS_MAX: usize = 8;
/// Crashes of one session actor within [`RESTART_PERIOD`] that are mended by a restart.
pub const RESTART_INTENSITY: usize = 3;
/// Period over which [`RESTART_INTENSITY`] counts.
pub const RESTART_PERIOD: Duration = Duration::from_secs(60);

/// Receive window of a channel: 16 MiB carries 155 MB/s at 50 ms, the usual 2 MiB only 20.
pub const CHANNEL_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Time after the exit status in which the streams may still end by themselves.
pub const STREAM_DRAIN: Duration = Duration::from_millis(250);
/// Time between the steps INT, TERM and KILL of ending a command.
pub const KILL_STEP: Duration = Duration::from_secs(2);
/// Time that is given to the whole of ending a command: three steps and a round trip.
pub const KILL_TIMEOUT: Duration = Duration::from_secs(12);

/// Bytes of one line of stdio input, that is of one JSON-RPC message.
pub const STDIO_LINE_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Calls under way at once from one stdio client.
pub const STDIO_CALLS_MAX: usize = 256;
/// Bytes of the body of one HTTP request.
pub const HTTP_BODY_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a body over its limit that are still read, so that its sender gets to see the answer.
pub const HTTP_BODY_DRAIN_BYTES: usize = 4 * 1024 * 1024;
/// Time for the headers of one HTTP request, and for the next request of an idle connection.
pub const HTTP_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the headers of one HTTP request: a token, a few names.
pub const HTTP_HEADER_MAX_BYTES: usize = 64 * 1024;
/// Time for the whole body of one HTTP request.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time that an HTTP client may take no bytes of an answer before its connection is closed.
pub const HTTP_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// HTTP connections at once: 200 clients with ten calls and a stream each fit. Fewer, where the process may
/// open fewer files.
pub const HTTP_CONNECTIONS_MAX: usize = 4096;
/// Open files that the daemon asks the system for, if it may: two for each connection.
pub const HTTP_OPEN_FILES: u64 = 16_384;
/// Pause after a connection could not be accepted, for example for want of open files.
pub const HTTP_ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time for the last answers to leave when the daemon ends, and once more for its streams to end.
pub const HTTP_END_GRACE: Duration = Duration::from_millis(100);
/// MCP sessions at once of clients whose protocol has them (before 2026-07-28), both transports together.
pub const LEGACY_SESSIONS_MAX: usize = 256;
/// Time without a message after which such a session of streamable HTTP ends.
pub const LEGACY_SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// Calls under way at once in one session of the legacy SSE transport.
pub const LEGACY_SSE_CALLS_MAX: usize = 256;
/// Messages that wait for a client of the legacy SSE transport which does not read, and for the service.
pub const LEGACY_SSE_QUEUE: usize = 64;
/// Time between two signs of life on an event stream: below the idle limits of common proxies.
pub const SSE_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes of a token file, and of the token in it.
pub const TOKEN_MAX_BYTES: u64 = 4096;
/// Smallest token: 128 bits as hexadecimal digits are twice as long.
pub const TOKEN_MIN_BYTES: usize = 16;
/// Time between two rounds in which recorded durations are folded into their histograms.
pub const METRICS_UPKEEP: Duration = Duration::from_secs(30);
/// Time for the sessions to end after EOF, SIGINT or SIGTERM: the whole end takes less than a second.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(700);

/// Time for the tasks of the process to end after that, and with them local children such as `ssh -G`.
pub const RUNTIME_END_TIMEOUT: Duration = Duration::from_millis(50);
/// The part of [`SHUTDOWN_TIMEOUT`] for a channel on which a helper can run: one round trip, where none is open.
pub const SHUTDOWN_CHANNEL_TIME: Duration = Duration::from_millis(250);
/// The part of that for signals that each command is sent by itself, where a host runs no helper.
pub const SHUTDOWN_SIGNAL_TIME: Duration = Duration::from_millis(300);

/// Bytes of the store file: 4096 sessions with long paths fit several times.
pub const STORE_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Time to wait for the store's lock while another process writes.
pub const STORE_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of one known_hosts file.
pub const KNOWN_HOSTS_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Time to wait for the lock of a known_hosts file that is to be added to.
pub const KNOWN_HOSTS_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Characters of a host's text (banner, server message) that are quoted in an error.
pub const QUOTED_TEXT_MAX_CHARS: usize = 200;
/// Pause between two tries for the store's lock: short beside a save (about 2 ms with its fsyncs), so that
/// a process that saves all the time does not shut the others out.
pub const STORE_LOCK_POLL: Duration = Duration::from_millis(2);
/// Problems of one store file that are listed; the rest are counted.
pub const STORE_PROBLEMS_MAX: usize = 20;
/// Links followed from the path of the store to its file: dotfile managers use one or two.
pub const STORE_LINKS_MAX: usize = 8;
/// Pause between two attempts at the lock of a known_hosts file: longer than an addition takes, far shorter
/// than a handshake.
pub const KNOWN_HOSTS_LOCK_POLL: Duration = Duration::from_millis(5);
/// Bytes of a host name or HostKeyAlias that is looked up: the longest DNS name has 253.
pub const HOST_KEY_NAME_MAX_BYTES: usize = 255;
/// Bytes of one pattern of a known_hosts line; OpenSSH reads a line with a longer one as "no match".
pub const HOST_PATTERN_MAX_BYTES: usize = 1022;
/// Bytes of the base64 text of a key in a known_hosts line: the largest RSA key takes 3 KiB, and
/// certificates nested in certificates are decoded by recursion, which this keeps shallow.
pub const HOST_KEY_TEXT_MAX_BYTES: usize = 32 * 1024;
/// Smallest RSA key that a known_hosts line may hold; OpenSSH reads a line with a smaller one as damaged.
pub const RSA_RECORDED_MIN_BITS: u32 = 1024;
/// Largest RSA key that a known_hosts line may hold, for the same reason.
pub const RSA_RECORDED_MAX_BITS: u32 = 16_384;

/// Connections at once to the embedded server of `demo`: one walk-through needs two.
pub const DEMO_CONNECTIONS_MAX: usize = 64;
/// Session channels of one connection of the embedded server: sshd's MaxSessions.
pub const DEMO_SESSIONS_MAX: usize = 10;
/// Credentials that the embedded server refuses before it hangs up: sshd's MaxAuthTries.
pub const DEMO_AUTH_TRIES_MAX: usize = 6;
/// Chunks (32 KiB each) of output or input and signals that wait between a command of the embedded
/// server and its channel: enough to keep both busy.
pub const DEMO_QUEUE_CHUNKS: usize = 16;
/// Bytes of stdin held for a command of the embedded server that does not read: [`STDIN_MAX_BYTES`] twice.
pub const DEMO_STDIN_BACKLOG_BYTES: usize = 8 * 1024 * 1024;
/// Time for an answer in the walk of `demo`: every step takes a second or two, on a busy machine ten.
pub const DEMO_CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the MCP server of `demo` to end once its input has ended, before it is killed.
pub const DEMO_END_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for `ssh -V` and `ssh -v -G` when `doctor` asks: a few milliseconds are usual.
pub const DOCTOR_PROGRAM_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that are read of what these print: a configuration of some hundred blocks fits.
pub const DOCTOR_PROGRAM_OUTPUT_BYTES: u64 = 1024 * 1024;
/// Time for the name lookup of `doctor`: as long as a resolver with two dead servers tries.
pub const DOCTOR_LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Damaged lines of one known_hosts file that `doctor` names; the rest are counted.
pub const KNOWN_HOSTS_DAMAGED_SHOWN: usize = 5;

/// Bytes of one command of `ssh_shell`: a whole script fits, and bash reads it byte by byte.
pub const SHELL_COMMAND_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Time for a shell to start and to say that it is there.
pub const SHELL_START_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of umask and exported variables that are kept for the next shell; of more, only the directory is.
pub const SHELL_STATE_MAX_BYTES: usize = 1024 * 1024;
/// Bytes of status and directory at the end of a command: several times the longest path.
pub const SHELL_TRAILER_MAX_BYTES: usize = 64 * 1024;
/// Output of background processes between two commands that is kept of each stream for the next result.
pub const SHELL_BACKGROUND_KEPT_BYTES: usize = 4096;
/// Time for a shell to come back once the processes of its command are gone; then it is ended too.
pub const SHELL_RETURN_TIMEOUT: Duration = Duration::from_secs(2);
/// Time after which a running command's shell is looked at, whether it is still at it; each further look comes
/// twice as late as the one before.
pub const SHELL_LOOK_AFTER: Duration = Duration::from_secs(5);
/// The longest time between two such looks.
pub const SHELL_LOOK_MAX: Duration = Duration::from_secs(60);

/// Requests outstanding on one SFTP channel, and files of a tree in flight at once: at 255 KiB a block they fill
/// the receive window.
pub const SFTP_REQUESTS_MAX: usize = 64;
/// SFTP channels of one transfer: sshd's own window of 2 MiB caps each of them on a long link.
pub const SFTP_CHANNELS_MAX: usize = 4;
/// Bytes of one SFTP read or write: what OpenSSH takes.
pub const SFTP_BLOCK_MAX_BYTES: u64 = 255 * 1024;
/// Bytes of one SFTP packet from a server: twice OpenSSH's own bound.
pub const SFTP_PACKET_MAX_BYTES: usize = 512 * 1024;
/// Time in which a server with outstanding requests shows no sign of life; ten times that where it has to write
/// to a disk.
pub const SFTP_SILENCE: Duration = Duration::from_secs(30);
/// Time that an unused SFTP channel is kept open: the next transfer saves two round trips.
pub const SFTP_IDLE: Duration = Duration::from_secs(30);
/// Time for the end of a connection to follow the end of an SFTP channel.
pub const SFTP_LOSS_GRACE: Duration = Duration::from_millis(300);
/// Distance between the first byte of a file that has not arrived and the last one that was asked for: bounds the
/// memory of a transfer, and what a partial file may lack before its end.
pub const TRANSFER_SPAN_BYTES: u64 = 16 * 1024 * 1024;
/// Size from which a file goes over several channels of a long link.
pub const TRANSFER_STRIPE_MIN_BYTES: u64 = 4 * 1024 * 1024;
/// The same for a short link: sending this many bytes takes several times as long as the start of a channel.
pub const TRANSFER_STRIPE_NEAR_MIN_BYTES: u64 = 64 * 1024 * 1024;
/// Channels that carry a file over a short link; the one that is left has it written to the disk meanwhile.
pub const TRANSFER_STRIPES_NEAR_MAX: usize = 3;
/// Bytes of a file asked for ahead over a short link, all channels together: more than a gigabit link has on its way,
/// and few enough to stay in the processors' caches on their way through three processes.
pub const TRANSFER_NEAR_BYTES: u64 = 3 * 1024 * 1024;
/// Bytes of a file after which what has arrived is sent to the disk, so that little is left for the end.
pub const TRANSFER_SYNC_BYTES: u64 = 64 * 1024 * 1024;
/// Round trip from which a link is long.
pub const TRANSFER_LONG_ROUND_TRIP: Duration = Duration::from_millis(5);
/// Transfers running at once in one session; each may take four channels.
pub const TRANSFERS_RUNNING_MAX: usize = 4;
/// Transfers waiting in one session for a connection or for their turn.
pub const TRANSFERS_QUEUED_MAX: usize = 16;
/// Names in one tree: their list stays below 32 MiB. A listing without end stops here.
pub const TREE_NAMES_MAX: usize = 200_000;
/// Directories below each other in one tree.
pub const TREE_DEPTH_MAX: usize = 128;
/// Bytes read of a file that claims to be empty, as those of /proc do.
pub const UNSIZED_FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Names in a directory that are looked through for an older partial file.
pub const PARTIAL_SEARCH_MAX: usize = 20_000;
/// Time to remove temporary files after a transfer that failed.
pub const TRANSFER_CLEANUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The part of [`SHUTDOWN_TIMEOUT`] in which transfers remove their temporary files.
pub const SHUTDOWN_TRANSFER_TIME: Duration = Duration::from_millis(250);
/// Time for a hash on the host, whatever the size; and one second more for every 20 MB.
pub const REMOTE_HASH_TIMEOUT: Duration = Duration::from_secs(30);
/// Skipped names that a result lists; the rest are counted.
pub const SKIPPED_SHOWN: usize = 10;
