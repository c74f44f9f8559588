//! A tree from the host. Its names come from the host: each is judged before it becomes part of a path, and
//! everything is written through open directories, of which none is reached over a link.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::file;
use super::target::{self, Target};
use crate::ssh::sftp::Entry;
use crate::ssh::sftp::wire::{Attributes, FileKind, file_kind};
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::{Dir, Meta, Temporary, blocking};
use crate::ssh::transfer::names::{self, Listed};
use crate::ssh::transfer::spec::Summary;
use crate::ssh::transfer::tree::{self, Budget, DirectoryNode, FileNode, LinkNode, Tree};
use crate::{limits, policy};

/// Directories listed at once.
const LISTINGS_AT_ONCE: usize = 16;
/// Mode of directories whose host tells none.
const MODE_DEFAULT: u32 = 0o755;

pub(super) async fn run(
    context: &Context,
    path: String,
    local: PathBuf,
) -> Result<Summary, TransferError> {
    let tree = walk(context, &path).await?;
    context.progress.add_total(tree.bytes());
    let rules = Arc::clone(&context.spec.policy);
    let tree = Arc::new(tree);
    let checked = Arc::clone(&tree);
    let (root, base, made) = blocking(move || prepare(&local, &checked, &rules)).await??;
    for _ in &made {
        context.progress.add_directory();
    }
    let budget = Budget::new();
    let files = stream::iter(tree.files.iter().map(Ok));
    files
        .try_for_each_concurrent(limits::SFTP_REQUESTS_MAX, |node| {
            file(context, &path, &root, &base, node, &budget)
        })
        .await?;
    let overwrite = context.spec.overwrite;
    let finishing = Arc::clone(&tree);
    let (place, shown) = (root.clone(), base.clone());
    let links = blocking(move || finish(&place, &shown, &finishing, &made, overwrite)).await??;
    for _ in 0..links {
        context.progress.add_file();
    }
    Ok(context.summary(policy::shown(&base), path))
}

/// Lists the tree, level by level.
async fn walk(context: &Context, root: &str) -> Result<Tree, TransferError> {
    let mut tree = Tree::default();
    let mut level = vec![String::new()];
    while !level.is_empty() {
        let listings: Vec<_> = stream::iter(level.drain(..))
            .map(|at| async move {
                let path = join(root, &at);
                let entries = tree::list(context, &path, limits::TREE_NAMES_MAX).await?;
                Ok::<_, TransferError>((at, entries))
            })
            .buffered(LISTINGS_AT_ONCE)
            .try_collect()
            .await?;
        for (at, entries) in listings {
            tree.check_size(entries.len())?;
            for entry in entries {
                note(context, root, &at, entry, &mut tree, &mut level)?;
            }
        }
    }
    read_links(context, root, &mut tree).await?;
    Ok(tree)
}

fn join(root: &str, below: &str) -> String {
    if below.is_empty() {
        root.to_owned()
    } else {
        names::join(root, below)
    }
}

fn note(
    context: &Context,
    root: &str,
    at: &str,
    entry: Entry,
    tree: &mut Tree,
    level: &mut Vec<String>,
) -> Result<(), TransferError> {
    let name = match names::listed(&entry.name) {
        Listed::Name(name) => name,
        Listed::Own => return Ok(()),
        Listed::NotText(shown) => {
            let directory = join(root, at);
            context.skip(format!("{shown} in {directory:?}: its name is not UTF-8"));
            return Ok(());
        }
        Listed::Impossible(shown) => {
            return Err(TransferError::remote(
                &join(root, at),
                format!(
                    "the server lists the impossible name \"{shown}\"; nothing was written, do not trust this host"
                ),
            ));
        }
    };
    let path = tree::below(at, &name);
    tree::check_depth(&path)?;
    match file_kind(&entry.attributes) {
        FileKind::File => tree.files.push(FileNode {
            path,
            size: entry.attributes.size.unwrap_or_default(),
        }),
        FileKind::Directory => {
            tree.directories.push(DirectoryNode {
                path: path.clone(),
                meta: Some(meta(&entry.attributes)),
            });
            level.push(path);
        }
        FileKind::Link => tree.links.push(LinkNode {
            path,
            text: String::new(),
        }),
        FileKind::Special => {
            let path = join(root, &path);
            context.skip(format!("{path:?}: a special file"));
        }
    }
    Ok(())
}

fn meta(attributes: &Attributes) -> Meta {
    let mode = attributes
        .permissions
        .map_or(MODE_DEFAULT, |mode| mode & 0o777);
    let time = i64::from(attributes.mtime.unwrap_or_default());
    Meta {
        mode,
        accessed: attributes.atime.map_or(time, i64::from),
        modified: time,
    }
}

/// What the links of a tree lead to.
async fn read_links(context: &Context, root: &str, tree: &mut Tree) -> Result<(), TransferError> {
    let links = std::mem::take(&mut tree.links);
    let texts: Vec<Option<LinkNode>> = stream::iter(links)
        .map(|link| async move {
            let path = join(root, &link.path);
            let read = async { context.sftp.read_link(&path).await?.single_name().await };
            let text = read
                .await
                .map_err(|error| TransferError::sftp(&path, error))?;
            match String::from_utf8(text.to_vec()) {
                Ok(text) if !text.is_empty() && !text.contains('\0') => {
                    Ok::<_, TransferError>(Some(LinkNode { text, ..link }))
                }
                _ => {
                    context.skip(format!("{path:?}: what the link holds is not UTF-8"));
                    Ok(None)
                }
            }
        })
        .buffered(limits::SFTP_REQUESTS_MAX)
        .try_collect()
        .await?;
    tree.links = texts.into_iter().flatten().collect();
    Ok(())
}

/// Checks every path of the tree, then makes its directories. Gives the root, its path, and the directories that
/// were made (the root is the empty path).
fn prepare(
    local: &Path,
    tree: &Tree,
    rules: &policy::LocalPolicy,
) -> Result<(Dir, PathBuf, Vec<DirectoryNode>), TransferError> {
    let base = policy::resolved(&target::absolute(local)?);
    rules.check_target(&base)?;
    let rules = rules.rules();
    let files = tree.files.iter().map(|node| &node.path);
    let links = tree.links.iter().map(|node| &node.path);
    let directories = tree.directories.iter().map(|node| &node.path);
    for path in files.chain(links).chain(directories) {
        rules.check(&base.join(path))?;
    }
    let failed = |path: &Path, error: io::Error| TransferError::io(&policy::shown(path), &error);
    let mut made = Vec::new();
    if !base.exists() {
        std::fs::create_dir_all(&base).map_err(|error| failed(&base, error))?;
        made.push(DirectoryNode {
            path: String::new(),
            meta: None,
        });
    }
    let root = Dir::open(&base).map_err(|error| failed(&base, error))?;
    for node in &tree.directories {
        let (above, name) = tree::parts(&node.path);
        let making = root
            .descend(steps(above))
            .and_then(|above| above.make_child(OsStr::new(name)));
        match making {
            Ok(true) => made.push(node.clone()),
            Ok(false) => {}
            Err(error) => return Err(in_the_way(&base.join(&node.path), &error)),
        }
    }
    Ok((root, base, made))
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// What stands where a directory should be.
fn in_the_way(path: &Path, error: &io::Error) -> TransferError {
    let shown = policy::shown(path);
    match error.kind() {
        io::ErrorKind::NotADirectory => TransferError::local(
            &shown,
            "a file or a symbolic link is in the way of a directory, and links are not followed",
        ),
        _ => TransferError::io(&shown, error),
    }
}

async fn file(
    context: &Context,
    remote_root: &str,
    root: &Dir,
    base: &Path,
    node: &FileNode,
    budget: &Budget,
) -> Result<(), TransferError> {
    let _room = budget.take(node.size).await?;
    let (root, shown) = (root.clone(), base.join(&node.path));
    let (path, overwrite) = (node.path.clone(), context.spec.overwrite);
    let target = blocking(move || find(&root, &path, &shown, overwrite)).await??;
    let path = names::join(remote_root, &node.path);
    file::file(context, &path, &target, node.size).await
}

fn find(root: &Dir, path: &str, shown: &Path, overwrite: bool) -> Result<Target, TransferError> {
    let (above, name) = tree::parts(path);
    let directory = root
        .descend(steps(above))
        .map_err(|error| in_the_way(shown, &error))?;
    let shown = policy::shown(shown);
    if let Ok(stat) = directory.stat(OsStr::new(name)) {
        let is_directory =
            crate::ssh::transfer::local::file_type(&stat) == rustix::fs::FileType::Directory;
        if is_directory {
            return Err(TransferError::local(&shown, "a directory is in the way"));
        }
        if !overwrite {
            let reason = "it exists already; overwrite: true replaces it";
            return Err(TransferError::local(&shown, reason));
        }
    }
    Ok(Target {
        directory,
        name: name.into(),
        shown,
    })
}

/// Makes the links, then gives the directories their modes and times, the deepest first. Gives the number of links.
fn finish(
    root: &Dir,
    base: &Path,
    tree: &Tree,
    made: &[DirectoryNode],
    overwrite: bool,
) -> Result<usize, TransferError> {
    for link in &tree.links {
        let shown = base.join(&link.path);
        let target = find(root, &link.path, &shown, overwrite)?;
        let name = names::temporary(&target.name.to_string_lossy());
        let temporary = Temporary::new(target.directory.clone(), name.into());
        target
            .directory
            .make_link(&link.text, temporary.name())
            .and_then(|()| temporary.commit(&target.name, overwrite))
            .map_err(|error| TransferError::io(&target.shown, &error))?;
    }
    for node in made.iter().rev() {
        let Some(meta) = node.meta else { continue };
        root.descend(steps(&node.path))
            .and_then(|directory| directory.set(meta))
            .map_err(|error| TransferError::io(&policy::shown(&base.join(&node.path)), &error))?;
    }
    Ok(tree.links.len())
}
