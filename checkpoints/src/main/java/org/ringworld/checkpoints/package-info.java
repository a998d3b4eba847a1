/**
 * Everything on disk: safetensors and Hugging Face model directories in and out, snapshots.
 *
 * <p>What a file holds is never trusted: each size is checked against the file before memory is
 * taken, and every fault is one {@link org.ringworld.checkpoints.CheckpointException} whose
 * sentence says what, where and what to do.
 */
package org.ringworld.checkpoints;
