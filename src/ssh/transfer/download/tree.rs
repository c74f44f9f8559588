//! The download of a tree: directories first, then files, then links, then modes and times of the directories.
//!
//! All writes go through open directories that were reached without following a link.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, TryStreamExt};
use rustix::fs::FileType;

use super::file::copy_file;
use super::target::{Target, absolute};
use super::temp_file::TempFile;
use super::walk::walk;
use crate::policy::LocalPolicy;
use crate::ssh::transfer::blocking::run_blocking;
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::{Dir, file_type};
use crate::ssh::transfer::names;
use crate::ssh::transfer::spec::Summary;
use crate::ssh::transfer::tree::{self, Budget, DirectoryNode, FileNode, LinkNode, Tree};
use crate::{limits, policy};

/// Downloads the directory `path` of the host as `local`.
pub(super) async fn download_tree(
    context: &Context,
    path: String,
    local: PathBuf,
) -> Result<Summary, TransferError> {
    let tree = walk(&context.host.sftp, &context.report, &path).await?;
    let progress = &context.report.progress;
    progress.add_total(tree.bytes());
    let policy = Arc::clone(&context.spec.policy);
    let tree = Arc::new(tree);
    let checked = Arc::clone(&tree);
    let prepared = run_blocking(move || prepare_directories(&local, &checked, &policy));
    let (root, made) = prepared.await??;
    for _ in &made {
        progress.add_directory();
    }
    let root = Arc::new(root);
    let budget = Budget::new();
    stream::iter(tree.files.iter().map(Ok))
        .try_for_each_concurrent(limits::SFTP_REQUESTS_MAX, |node| {
            copy_node(context, &path, &root, node, &budget)
        })
        .await?;
    let overwrite = context.spec.overwrite;
    let (finished, place) = (Arc::clone(&tree), Arc::clone(&root));
    let finishing = run_blocking(move || {
        for link in &finished.links {
            place.make_link(link, overwrite)?;
        }
        place.set_directory_metadata(&made)
    });
    finishing.await??;
    for _ in &tree.links {
        progress.add_file();
    }
    Ok(context.summary(policy::shown(&root.path), path))
}

async fn copy_node(
    context: &Context,
    remote_root: &str,
    root: &Arc<LocalRoot>,
    node: &FileNode,
    budget: &Budget,
) -> Result<(), TransferError> {
    let _reserved = budget.reserve(node.size).await?;
    let (root, below) = (Arc::clone(root), node.path.clone());
    let overwrite = context.spec.overwrite;
    let target = run_blocking(move || root.resolve_target(&below, overwrite)).await??;
    let path = names::join(remote_root, &node.path);
    copy_file(context, &path, &target, node.size).await
}

/// The target directory of a tree.
struct LocalRoot {
    directory: Dir,
    path: PathBuf,
}

/// Checks all paths of the tree against the policy, and makes missing directories; gives those that were made. The
/// root has the empty path.
fn prepare_directories(
    local: &Path,
    tree: &Tree,
    policy: &LocalPolicy,
) -> Result<(LocalRoot, Vec<DirectoryNode>), TransferError> {
    let path = policy::resolved(&absolute(local)?);
    policy.check_target(&path)?;
    let rules = policy.rules();
    let files = tree.files.iter().map(|node| &node.path);
    let links = tree.links.iter().map(|node| &node.path);
    let directories = tree.directories.iter().map(|node| &node.path);
    for below in files.chain(links).chain(directories) {
        rules.check(&path.join(below))?;
    }
    let failed = |error: io::Error| TransferError::io(&policy::shown(&path), &error);
    let mut made = Vec::new();
    if !path.exists() {
        std::fs::create_dir_all(&path).map_err(failed)?;
        made.push(DirectoryNode {
            path: String::new(),
            metadata: None,
        });
    }
    let directory = Dir::open(&path).map_err(failed)?;
    let root = LocalRoot { directory, path };
    for node in &tree.directories {
        if root.make_directory(node)? {
            made.push(node.clone());
        }
    }
    Ok((root, made))
}

impl LocalRoot {
    /// Makes a directory; `false` if the directory existed.
    fn make_directory(&self, node: &DirectoryNode) -> Result<bool, TransferError> {
        let (above, name) = tree::split_below(&node.path);
        self.directory
            .descend(tree::components(above))
            .and_then(|above| above.make_child(OsStr::new(name)))
            .map_err(|error| directory_failed(&self.path.join(&node.path), &error))
    }

    /// The target of an entry; refuses directories, and without `overwrite` all existing entries.
    fn resolve_target(&self, below: &str, overwrite: bool) -> Result<Target, TransferError> {
        let path = self.path.join(below);
        let (above, name) = tree::split_below(below);
        let directory = self
            .directory
            .descend(tree::components(above))
            .map_err(|error| directory_failed(&path, &error))?;
        let shown = policy::shown(&path);
        if let Ok(stat) = directory.stat(OsStr::new(name)) {
            if file_type(&stat) == FileType::Directory {
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

    /// Makes a link under a temporary name and moves the link to its target.
    fn make_link(&self, link: &LinkNode, overwrite: bool) -> Result<(), TransferError> {
        let target = self.resolve_target(&link.path, overwrite)?;
        let name = names::temporary(&target.name.to_string_lossy());
        let temp_file = TempFile::new(target.directory.clone(), name.into());
        target
            .directory
            .make_link(&link.text, temp_file.name())
            .and_then(|()| temp_file.commit(&target.name, overwrite))
            .map_err(|error| target.failed(&error))
    }

    /// Sets modes and times. The deepest directory comes first: work in a directory changes its times.
    fn set_directory_metadata(&self, made: &[DirectoryNode]) -> Result<(), TransferError> {
        for node in made.iter().rev() {
            let Some(metadata) = node.metadata else {
                continue;
            };
            let shown = || policy::shown(&self.path.join(&node.path));
            self.directory
                .descend(tree::components(&node.path))
                .and_then(|directory| directory.set_metadata(metadata))
                .map_err(|error| TransferError::io(&shown(), &error))?;
        }
        Ok(())
    }
}

/// The error for a directory of the tree that cannot be made or opened.
fn directory_failed(path: &Path, error: &io::Error) -> TransferError {
    let shown = policy::shown(path);
    match error.kind() {
        io::ErrorKind::NotADirectory => TransferError::local(
            &shown,
            "a file or a symbolic link is in the way of a directory, and links are not followed",
        ),
        _ => TransferError::io(&shown, error),
    }
}
