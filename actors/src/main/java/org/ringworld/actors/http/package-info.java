/**
 * The HTTP front: models that are asked through OpenAI's API. What comes over it is never trusted:
 * no route changes a job or reads a path of the host, and each has its limits.
 */
package org.ringworld.actors.http;
