/**
 * What a CPU device computes with: a team of worker threads, the cores they are pinned to, memory
 * in huge pages, vectors at absolute addresses. Begin with {@link WorkerTeam}.
 */
package org.ringworld.runtime.cpu.device;
