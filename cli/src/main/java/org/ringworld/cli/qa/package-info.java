/**
 * Long chats made of documents, as LWM trains on (LWM, §3.3): a model asks and answers about each
 * chunk. Begin with {@link MakeQaCommand}.
 */
package org.ringworld.cli.qa;
