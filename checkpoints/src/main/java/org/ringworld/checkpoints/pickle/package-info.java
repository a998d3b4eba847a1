/**
 * Python's pickles of weights, read without running what they name. Begin with {@link Pickle} and
 * its closed list of opcodes; what may be constructed is up to each format: {@link NumpyArrays}
 * here, PyTorch's beside its zip.
 */
package org.ringworld.checkpoints.pickle;
