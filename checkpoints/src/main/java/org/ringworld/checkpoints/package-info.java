/**
 * Everything on disk: models as Hugging Face, PyTorch and LWM store them, read and written, and
 * snapshots of training. Begin with {@link ModelFiles}, which opens a model whatever its format.
 *
 * <p>What a file holds is never trusted: each size is checked against the file before memory is
 * taken, and every fault is one {@link CheckpointException} whose sentence says what, where and
 * what to do.
 */
package org.ringworld.checkpoints;
