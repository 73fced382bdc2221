//! Asks for what a server keeps beside the histories.

use units::WorkflowId;

use super::{Client, Error};
use crate::http::views::kept::{
    AgentList, AgentView, ModelList, ModelView, PromptList, PromptView, PurgeOrder, Purged, TaskLine,
    TaskList,
};

impl Client {
    /// The agents of a workflow, in the order of their beginning.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such workflow; and as for [`Client::start`], as in all functions here.
    pub async fn agents(&self, id: &WorkflowId) -> Result<Vec<AgentView>, Error> {
        let list: AgentList = self.get(&format!("/v1/workflows/{id}/agents")).await?;
        Ok(list.agents)
    }

    /// The tasks of a workflow, in the order of their groups.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such workflow.
    pub async fn tasks(&self, id: &WorkflowId) -> Result<Vec<TaskLine>, Error> {
        let list: TaskList = self.get(&format!("/v1/workflows/{id}/tasks")).await?;
        Ok(list.tasks)
    }

    /// How each model did in the last hours.
    ///
    /// # Errors
    /// [`Error::Refused`] when so many hours are not told of.
    pub async fn models(&self, hours: u32) -> Result<Vec<ModelView>, Error> {
        let list: ModelList = self.get(&format!("/admin/models?hours={hours}")).await?;
        Ok(list.models)
    }

    /// Every version of every template, or of one with its texts.
    ///
    /// # Errors
    /// [`Error::Refused`] when no server had the template.
    pub async fn prompts(&self, name: Option<&str>) -> Result<Vec<PromptView>, Error> {
        let path = match name {
            None => "/admin/prompts".to_owned(),
            Some(name) => {
                let mut url = reqwest::Url::parse("http://localhost/admin/prompts").expect("it is a URL");
                url.query_pairs_mut().append_pair("name", name);
                format!("{}?{}", url.path(), url.query().unwrap_or_default())
            }
        };
        let list: PromptList = self.get(&path).await?;
        Ok(list.prompts)
    }

    /// Removes what has had its time, or tells what that would be.
    ///
    /// # Errors
    /// [`Error::Refused`] when the table is none that can be purged.
    pub async fn purge(&self, order: &PurgeOrder) -> Result<Purged, Error> {
        self.post("/admin/purge", order).await
    }
}
