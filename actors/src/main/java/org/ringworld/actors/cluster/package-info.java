/**
 * A process of a cluster: how it joins and leaves, its settings, and the ports at which the command
 * line and watchdogs reach it. Programs begin with {@link Node#start} and {@link NodeSettings}.
 */
package org.ringworld.actors.cluster;
