/**
 * The commands of a cluster: a node, and those that ask any node for what its queue does. Begin
 * with {@link NodeCommand} and {@link SubmitCommand}; what asks a node goes through {@link
 * ClusterClient}.
 */
package org.ringworld.cli.cluster;
