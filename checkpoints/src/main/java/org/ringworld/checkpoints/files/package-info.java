/**
 * Files and directories that appear whole or not at all, and who may write them. Begin with {@link
 * AtomicFiles}; by a {@link Fence} a process whose work another has taken over writes nothing more.
 */
package org.ringworld.checkpoints.files;
