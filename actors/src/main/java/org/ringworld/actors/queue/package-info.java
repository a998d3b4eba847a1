/**
 * The one queue of a cluster, its singleton: jobs that wait for devices, run and survive the loss
 * of nodes, saved models that are served until they are stopped, and forwards of others. Begin with
 * {@link JobQueue}, then {@link DevicePool}; what lies in files is in {@link
 * org.ringworld.actors.queue.book}.
 */
package org.ringworld.actors.queue;
