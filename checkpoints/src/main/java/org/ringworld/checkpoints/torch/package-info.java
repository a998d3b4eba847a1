/**
 * PyTorch's files of weights, read without running what their pickles name. Begin with {@link
 * TorchZip}, then {@link TorchObjects} with the closed list of what their pickles may construct.
 */
package org.ringworld.checkpoints.torch;
