//! The files that transfers never write, as data. A directory stands for everything below it.

/// The user's start-up files, below the home directory.
pub(super) const STARTUP: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".mkshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".logout",
    ".inputrc",
    ".pam_environment",
    ".xinitrc",
    ".xprofile",
    ".xsession",
    ".xsessionrc",
    ".config/fish",
    ".config/autostart",
    ".config/environment.d",
    ".config/systemd/user",
    "Library/LaunchAgents",
];

/// Configuration files of MCP clients, below the home directory.
pub(super) const CLIENTS: &[&str] = &[
    ".claude",
    ".claude.json",
    ".config/Claude",
    ".config/claude",
    "Library/Application Support/Claude",
    ".codex",
    ".cursor",
    ".codeium",
    ".gemini",
    ".continue",
    ".config/Code/User/mcp.json",
    ".config/Code/User/settings.json",
    "Library/Application Support/Code/User/mcp.json",
    "Library/Application Support/Code/User/settings.json",
    ".config/goose",
    ".config/opencode",
    ".config/zed",
];

/// Names with which a client loads tools from the directory it works in: the last parts of a path, anywhere.
pub(super) const CLIENTS_ANYWHERE: &[&str] = &[
    ".mcp.json",
    ".cursor/mcp.json",
    ".vscode/mcp.json",
    ".claude/settings.json",
    ".claude/settings.local.json",
    "claude_desktop_config.json",
    "mcp_config.json",
    "cline_mcp_settings.json",
];

/// Jobs and start-up files of the machine.
pub(super) const MACHINE: &[&str] = &[
    "/var/spool/cron",
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/profile",
    "/etc/profile.d",
];

/// Files of `~/.ssh` that hold no secret and may be read, beside `*.pub`.
pub(super) const SSH_PUBLIC: &[&str] = &["config", "known_hosts", "authorized_keys"];
