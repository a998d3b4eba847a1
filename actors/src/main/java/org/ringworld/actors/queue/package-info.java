/**
 * The one queue of a cluster, its singleton: jobs that wait for devices, run and survive the loss
 * of nodes, and forwards of saved models. Begin with {@link JobQueue}, then {@link QueuedJob},
 * which lies in a file, and {@link DevicePool}.
 */
package org.ringworld.actors.queue;
