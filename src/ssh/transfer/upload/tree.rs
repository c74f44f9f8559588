//! A tree to the host.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use rustix::fs::FileType;

use super::source::{Refused, Source};
use super::{file, finish};
use crate::ssh::sftp::SftpError;
use crate::ssh::sftp::wire::{FileKind, file_kind};
use crate::ssh::transfer::context::{Context, lock};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::{self, Dir, blocking};
use crate::ssh::transfer::names;
use crate::ssh::transfer::remote::{self, Target};
use crate::ssh::transfer::spec::Summary;
use crate::ssh::transfer::tree::{self, Budget, DirectoryNode, FileNode, LinkNode, Tree};
use crate::{limits, policy};

/// Directories are filled first and closed to others then.
const MODE_WHILE_FILLED: u32 = 0o700;

pub(super) async fn run(
    context: &Context,
    local: PathBuf,
    remote: String,
) -> Result<Summary, TransferError> {
    let base = local.clone();
    let rules = Arc::clone(&context.spec.policy);
    let (root, found) = blocking(move || walk(&base, &rules)).await??;
    for what in found.skipped {
        context.skip(what);
    }
    let tree = found.tree;
    context.progress.add_total(tree.bytes());
    let mut made = make_directories(context, &remote, &tree).await?;
    let budget = Budget::new();
    let files = stream::iter(tree.files.iter().map(Ok));
    files
        .try_for_each_concurrent(limits::SFTP_REQUESTS_MAX, |node| {
            file(context, &root, &local, &remote, node, &budget)
        })
        .await?;
    let links = stream::iter(tree.links.iter().map(Ok));
    links
        .try_for_each_concurrent(limits::SFTP_REQUESTS_MAX, |node| {
            link(context, &remote, node)
        })
        .await?;
    // The deepest first: a directory's time changes with what is in it.
    made.reverse();
    close_directories(context, &remote, &made).await?;
    Ok(context.summary(policy::shown(&local), remote))
}

/// What a walk has found and left out.
#[derive(Default)]
struct Found {
    tree: Tree,
    skipped: Vec<String>,
}

fn walk(base: &Path, rules: &policy::LocalPolicy) -> Result<(Dir, Found), TransferError> {
    let rules = rules.rules();
    let root = Dir::open(base).map_err(|error| TransferError::io(&policy::shown(base), &error))?;
    let mut found = Found::default();
    let mut waiting = vec![String::new()];
    while let Some(at) = waiting.pop() {
        let directory = base.join(&at);
        let shown = policy::shown(&directory);
        let failed = |error: &io::Error| TransferError::io(&shown, error);
        for entry in std::fs::read_dir(&directory).map_err(|error| failed(&error))? {
            found.tree.check_size(1)?;
            let name = entry.map_err(|error| failed(&error))?.file_name();
            let Some(text) = name.to_str() else {
                let name = name.as_encoded_bytes().escape_ascii().to_string();
                let what = format!("\"{name}\" in {shown:?}: its name is not UTF-8");
                found.skipped.push(what);
                continue;
            };
            let path = tree::below(&at, text);
            tree::check_depth(&path)?;
            note(base, &root, path, &rules, &mut found, &mut waiting)?;
        }
    }
    Ok((root, found))
}

fn note(
    base: &Path,
    root: &Dir,
    path: String,
    rules: &policy::Rules,
    found: &mut Found,
    waiting: &mut Vec<String>,
) -> Result<(), TransferError> {
    let whole = base.join(&path);
    let shown = policy::shown(&whole);
    let failed = |error: io::Error| TransferError::io(&shown, &error);
    let (above, name) = tree::parts(&path);
    let steps = above.split('/').filter(|name| !name.is_empty());
    let directory = root.descend(steps).map_err(failed)?;
    let stat = match directory.stat(OsStr::new(name)) {
        Ok(stat) => stat,
        // It was removed while the tree was walked.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    match local::file_type(&stat) {
        FileType::Directory => {
            let meta = Some(local::meta(&stat));
            waiting.push(path.clone());
            found.tree.directories.push(DirectoryNode { path, meta });
        }
        FileType::RegularFile => {
            if rules.check_source(&whole).is_err() {
                found.skipped.push(format!("{shown:?}: a file of ~/.ssh"));
                return Ok(());
            }
            let size = u64::try_from(stat.st_size).unwrap_or_default();
            found.tree.files.push(FileNode { path, size });
        }
        FileType::Symlink => {
            let text = directory.read_link(OsStr::new(name)).map_err(failed)?;
            match text.into_string() {
                Ok(text) => found.tree.links.push(LinkNode { path, text }),
                Err(_) => {
                    let what = format!("{shown:?}: what the link holds is not UTF-8");
                    found.skipped.push(what);
                }
            }
        }
        _ => found.skipped.push(format!("{shown:?}: a special file")),
    }
    Ok(())
}

/// Makes what is missing, level by level. Gives what was made, with the root as the empty path.
async fn make_directories(
    context: &Context,
    remote: &str,
    tree: &Tree,
) -> Result<Vec<DirectoryNode>, TransferError> {
    let mut made = Vec::new();
    match remote::look(context, remote).await? {
        Some(there) if file_kind(&there) == FileKind::Directory => {}
        Some(_) => {
            let reason = "a file is in the way of the directory";
            return Err(TransferError::remote(remote, reason));
        }
        None => remote::make_directories(context, remote).await?,
    }
    let mut directories: Vec<&DirectoryNode> = tree.directories.iter().collect();
    let depth = |node: &&DirectoryNode| node.path.bytes().filter(|byte| *byte == b'/').count();
    directories.sort_by_key(depth);
    for level in directories.chunk_by(|a, b| depth(a) == depth(b)) {
        let making = stream::iter(level.iter().map(Ok));
        let new = std::sync::Mutex::new(Vec::new());
        making
            .try_for_each_concurrent(limits::SFTP_REQUESTS_MAX, |node| {
                make_directory(context, remote, node, &new)
            })
            .await?;
        made.extend(new.into_inner().unwrap_or_default());
    }
    Ok(made)
}

async fn make_directory(
    context: &Context,
    remote: &str,
    node: &DirectoryNode,
    made: &std::sync::Mutex<Vec<DirectoryNode>>,
) -> Result<(), TransferError> {
    let path = names::join(remote, &node.path);
    let making = async {
        let pending = context.sftp.make_directory(&path, MODE_WHILE_FILLED);
        pending.await?.done().await
    };
    match making.await {
        Ok(()) => {
            context.progress.add_directory();
            lock(made).push(node.clone());
            Ok(())
        }
        Err(error @ SftpError::Status(_)) => match context.sftp.link_stat(&path).await {
            Ok(there) if file_kind(&there) == FileKind::Directory => Ok(()),
            // A link could lead out of the target.
            Ok(_) => Err(TransferError::remote(
                &path,
                "a file or a symbolic link is in the way of a directory, and links are not followed",
            )),
            Err(_) => Err(remote::explain(context, &path, error, 0).await),
        },
        Err(error) => Err(TransferError::sftp(&path, error)),
    }
}

async fn file(
    context: &Context,
    root: &Dir,
    base: &Path,
    remote: &str,
    node: &FileNode,
    budget: &Budget,
) -> Result<(), TransferError> {
    let _room = budget.take(node.size).await?;
    let (root, path) = (root.clone(), node.path.clone());
    let shown = policy::shown(&base.join(&node.path));
    let opened = blocking(move || {
        let (above, name) = tree::parts(&path);
        let steps = above.split('/').filter(|name| !name.is_empty());
        let directory = root
            .descend(steps)
            .map_err(|error| Refused::Error(TransferError::io(&shown, &error)))?;
        Source::open(directory, name.into(), shown)
    });
    let source = match opened.await? {
        Ok(source) => source,
        Err(Refused::Key) => {
            let shown = policy::shown(&base.join(&node.path));
            context.skip(format!("{shown:?}: a private key"));
            return Ok(());
        }
        Err(Refused::Error(error)) => return Err(error),
    };
    let target = target(context, remote, &node.path).await?;
    file::file(context, source, &target, None).await
}

/// The place of a file below the root. With `overwrite` the rename itself tells what is in the way.
async fn target(context: &Context, remote: &str, path: &str) -> Result<Target, TransferError> {
    let (above, name) = tree::parts(path);
    let directory = if above.is_empty() {
        remote.to_owned()
    } else {
        names::join(remote, above)
    };
    let path = names::join(&directory, name);
    let mut exists = false;
    if !context.spec.overwrite {
        exists = context.sftp.link_stat(&path).await.is_ok();
    }
    if exists {
        return Err(remote::exists_already(&path));
    }
    Ok(Target {
        name: name.to_owned(),
        directory,
        path,
    })
}

async fn link(context: &Context, remote: &str, node: &LinkNode) -> Result<(), TransferError> {
    let target = target(context, remote, &node.path).await?;
    let temporary = names::join(&target.directory, &names::temporary(&target.name));
    context.register(&temporary);
    let made = async {
        context
            .sftp
            .make_link(&temporary, &node.text)
            .await?
            .done()
            .await
    };
    if let Err(error) = made.await {
        if matches!(error, SftpError::Status(_)) {
            context.unregister(&temporary);
        }
        return Err(remote::explain(context, &target.path, error, 0).await);
    }
    remote::commit(context, &temporary, &target.path).await?;
    context.progress.add_file();
    Ok(())
}

/// Modes and times, as those of the sources.
async fn close_directories(
    context: &Context,
    remote: &str,
    made: &[DirectoryNode],
) -> Result<(), TransferError> {
    // Collected first: the compiler cannot see through a stream of borrowing closures.
    let settings: Vec<_> = made
        .iter()
        .map(|node| close_directory(context, remote, node))
        .collect();
    // Sent in their order, and a server works in that order.
    stream::iter(settings)
        .buffered(limits::SFTP_REQUESTS_MAX)
        .try_collect()
        .await
}

async fn close_directory(
    context: &Context,
    remote: &str,
    node: &DirectoryNode,
) -> Result<(), TransferError> {
    let Some(meta) = node.meta else { return Ok(()) };
    let path = names::join(remote, &node.path);
    let to = finish::directory_attributes(meta.mode & 0o777, meta);
    let set = async { context.sftp.set_attributes(&path, to).await?.done().await };
    match set.await {
        Ok(()) => Ok(()),
        Err(SftpError::Status(_)) => {
            context.note("the host did not take the mode or the times of a directory".into());
            Ok(())
        }
        Err(error) => Err(TransferError::sftp(&path, error)),
    }
}
