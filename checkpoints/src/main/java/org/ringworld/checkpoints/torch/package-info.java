/**
 * PyTorch's files of weights, read without running what their pickles name. Begin with {@link
 * TorchZip}, then {@link TorchPickle} with its closed list of opcodes and {@link TorchObjects} with
 * that of constructors.
 */
package org.ringworld.checkpoints.torch;
