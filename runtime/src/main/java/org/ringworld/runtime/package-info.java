/**
 * A compute device: its memory, dense tensors in it, and its kernels, forward and backward in
 * pairs. Begin with {@link Device} and {@link Kernels}; each kernel checks the shapes of its
 * tensors at the door.
 *
 * <p>A program makes devices of their descriptions with {@link Devices#open(DeviceSpec)}.
 */
package org.ringworld.runtime;
