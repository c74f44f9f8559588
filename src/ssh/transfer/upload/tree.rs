//! The upload of a tree: directories first, then files and links, then modes and times of the directories.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::commit::Committer;
use super::file::copy_file;
use super::finish::directory_attributes;
use super::source::{Refusal, Source};
use super::target::{Target, exists_already, make_directories, stat_existing};
use super::walk::walk;
use crate::ssh::sftp::wire::{FileKind, file_kind};
use crate::ssh::sftp::{Sftp, SftpError};
use crate::ssh::transfer::blocking::run_blocking;
use crate::ssh::transfer::context::Context;
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::Dir;
use crate::ssh::transfer::names;
use crate::ssh::transfer::remote::explain;
use crate::ssh::transfer::spec::Summary;
use crate::ssh::transfer::tree::{self, Budget, DirectoryNode, FileNode, LinkNode, Tree};
use crate::{limits, policy};

/// Permissions of a directory until its content is complete: only for the owner.
const MODE_WHILE_FILLED: u32 = 0o700;

/// Uploads the directory `local` as `remote`.
pub(super) async fn upload_tree(
    context: &Context,
    local: PathBuf,
    remote: String,
) -> Result<Summary, TransferError> {
    let base = local.clone();
    let policy = Arc::clone(&context.spec.policy);
    let (local_root, found) = run_blocking(move || walk(&base, &policy)).await??;
    for skipped in &found.skipped {
        context.report.add_skipped(skipped);
    }
    let tree = found.tree;
    context.report.progress.add_total(tree.bytes());
    let upload = TreeUpload {
        context,
        local_root,
        local,
        remote,
        budget: Budget::new(),
    };
    let mut made = upload.make_directories(&tree).await?;
    stream::iter(tree.files.iter().map(Ok))
        .try_for_each_concurrent(limits::SFTP_REQUESTS_MAX, |node| upload.copy_file(node))
        .await?;
    stream::iter(tree.links.iter().map(Ok))
        .try_for_each_concurrent(limits::SFTP_REQUESTS_MAX, |node| upload.copy_link(node))
        .await?;
    // The deepest first: work in a directory changes the times of the directory.
    made.reverse();
    upload.set_directory_metadata(&made).await?;
    Ok(context.summary(policy::shown(&upload.local), upload.remote))
}

struct TreeUpload<'a> {
    context: &'a Context,
    local_root: Dir,
    /// Path of `local_root`.
    local: PathBuf,
    /// The target directory on the host.
    remote: String,
    budget: Budget,
}

impl TreeUpload<'_> {
    fn sftp(&self) -> &Sftp {
        &self.context.host.sftp
    }

    /// Makes missing directories level by level; gives those that were made.
    async fn make_directories(&self, tree: &Tree) -> Result<Vec<DirectoryNode>, TransferError> {
        let remote = &self.remote;
        match stat_existing(self.sftp(), remote).await? {
            Some(existing) if file_kind(&existing) == FileKind::Directory => {}
            Some(_) => {
                let reason = "a file is in the way of the directory";
                return Err(TransferError::remote(remote, reason));
            }
            None => make_directories(self.sftp(), &self.context.report.progress, remote).await?,
        }
        let mut made = Vec::new();
        let mut directories: Vec<&DirectoryNode> = tree.directories.iter().collect();
        let depth = |node: &&DirectoryNode| node.path.bytes().filter(|byte| *byte == b'/').count();
        directories.sort_by_key(depth);
        for level in directories.chunk_by(|a, b| depth(a) == depth(b)) {
            let new = Mutex::new(Vec::new());
            stream::iter(level.iter().map(Ok))
                .try_for_each_concurrent(limits::SFTP_REQUESTS_MAX, |node| {
                    self.make_directory(node, &new)
                })
                .await?;
            made.extend(new.into_inner().unwrap_or_default());
        }
        Ok(made)
    }

    /// Makes a directory and adds the node to `made`; an existing directory is kept.
    async fn make_directory(
        &self,
        node: &DirectoryNode,
        made: &Mutex<Vec<DirectoryNode>>,
    ) -> Result<(), TransferError> {
        let path = names::join(&self.remote, &node.path);
        let sftp = self.sftp();
        let making = async {
            let pending = sftp.make_directory(&path, MODE_WHILE_FILLED);
            pending.await?.done().await
        };
        match making.await {
            Ok(()) => {
                self.context.report.progress.add_directory();
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                made.push(node.clone());
                Ok(())
            }
            Err(error @ SftpError::Status(_)) => match sftp.link_stat(&path).await {
                Ok(existing) if file_kind(&existing) == FileKind::Directory => Ok(()),
                // A link could lead out of the target.
                Ok(_) => Err(TransferError::remote(
                    &path,
                    "a file or a symbolic link is in the way of a directory, and links are not followed",
                )),
                Err(_) => Err(explain(sftp, &path, error, 0).await),
            },
            Err(error) => Err(TransferError::sftp(&path, error)),
        }
    }

    async fn copy_file(&self, node: &FileNode) -> Result<(), TransferError> {
        let _reserved = self.budget.reserve(node.size).await?;
        let (root, path) = (self.local_root.clone(), node.path.clone());
        let shown = policy::shown(&self.local.join(&node.path));
        let opened = run_blocking({
            let shown = shown.clone();
            move || {
                let (above, name) = tree::split_below(&path);
                let directory = root
                    .descend(tree::components(above))
                    .map_err(|error| Refusal::Error(TransferError::io(&shown, &error)))?;
                Source::open(directory, name.into(), shown)
            }
        });
        let source = match opened.await? {
            Ok(source) => source,
            Err(Refusal::PrivateKey) => {
                let skipped = format!("{shown:?}: a private key");
                self.context.report.add_skipped(&skipped);
                return Ok(());
            }
            Err(Refusal::Error(error)) => return Err(error),
        };
        let target = self.resolve_target(&node.path).await?;
        copy_file(self.context, source, &target, None).await
    }

    async fn copy_link(&self, node: &LinkNode) -> Result<(), TransferError> {
        let target = self.resolve_target(&node.path).await?;
        let temporary = names::join(&target.directory, &names::temporary(&target.name));
        let (sftp, temp_files) = (self.sftp(), &self.context.temp_files);
        temp_files.register(&temporary);
        let making = async { sftp.make_link(&temporary, &node.text).await?.done().await };
        if let Err(error) = making.await {
            if matches!(error, SftpError::Status(_)) {
                temp_files.unregister(&temporary);
            }
            return Err(explain(sftp, &target.path, error, 0).await);
        }
        let committer = Committer::new(self.context);
        committer.commit(&temporary, &target.path).await?;
        self.context.report.progress.add_file();
        Ok(())
    }

    /// The target of an entry. Without `overwrite`, existing targets are refused; with `overwrite`, obstacles fail the
    /// final rename.
    async fn resolve_target(&self, path: &str) -> Result<Target, TransferError> {
        let (above, name) = tree::split_below(path);
        let directory = if above.is_empty() {
            self.remote.clone()
        } else {
            names::join(&self.remote, above)
        };
        let path = names::join(&directory, name);
        if !self.context.spec.overwrite && self.sftp().link_stat(&path).await.is_ok() {
            return Err(exists_already(&path));
        }
        Ok(Target {
            name: name.to_owned(),
            directory,
            path,
        })
    }

    async fn set_directory_metadata(&self, made: &[DirectoryNode]) -> Result<(), TransferError> {
        // Collected first: the compiler does not accept a stream of borrowing closures here.
        let settings: Vec<_> = made.iter().map(|node| self.set_metadata(node)).collect();
        // Sent in order, and a server processes requests in order.
        stream::iter(settings)
            .buffered(limits::SFTP_REQUESTS_MAX)
            .try_collect()
            .await
    }

    async fn set_metadata(&self, node: &DirectoryNode) -> Result<(), TransferError> {
        let Some(metadata) = node.metadata else {
            return Ok(());
        };
        let path = names::join(&self.remote, &node.path);
        let attributes = directory_attributes(metadata.mode & 0o777, metadata);
        let sftp = self.sftp();
        let setting = async { sftp.set_attributes(&path, attributes).await?.done().await };
        match setting.await {
            Ok(()) => Ok(()),
            Err(SftpError::Status(_)) => {
                let note = "the host did not take the mode or the times of a directory";
                self.context.report.add_note(note);
                Ok(())
            }
            Err(error) => Err(TransferError::sftp(&path, error)),
        }
    }
}
